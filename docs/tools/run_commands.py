"""Run the commands of pages of the guide and compare what they print with what the pages show.

    python docs/tools/run_commands.py [PAGE ...] [--work FOLDER] [--set DATA=/data/bids]

Only blocks with a mark in the line before them count. A mark is a comment, which no reader sees:

``<!-- run -->``
    Runs the block (``bash``; ``python`` as a script of its own). The blocks of a page run one
    after another in one shell, in a new folder in which ``examples`` is that of the repository.
``<!-- run: needs mrconvert $DATA -->``
    The same, but the page ends here if a program is not there or a variable is not set.
``<!-- output -->``
    The block before must have printed these lines. ``…`` stands for anything within a line, and,
    alone on a line, for any number of lines.
``<!-- file: NAME -->``
    Writes the block into this file.

``<!-- set: NAME=VALUE NAME='MORE VALUES' -->``, which stands alone, gives variables a value unless
they have one, in place of the paths of a block that is not run, ``BIDS=/data/bids``.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from attrs import Factory, frozen

REPOSITORY = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"^(?P<indent> *)<!-- (?P<mark>run|output|file): ?(?P<rest>.*?) ?-->\n"
    r"(?P=indent)(?P<fence>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_SET = re.compile(r"^ *<!-- set: (.+) -->$", re.MULTILINE)
_BARE = re.compile(r"^( *<!-- (?:run|output|file)) -->$", re.MULTILINE)
_START = "=== line {} of the page ==="


class PageError(Exception):
    """A command of a page failed, or printed something else; the message is for people."""


@frozen
class Block:
    """A block of a page that is run."""

    line: int
    """Line of the page, from 1."""
    script: str
    """For bash."""
    runs: bool = True
    """False: it only sets variables."""
    needs: list[str] = Factory(list)
    """Programs, and variables with a dollar sign."""
    shown: list[str] = Factory(list)
    """What the page shows as its output, in order."""


def find_blocks(page: str) -> list[Block]:
    """Return the blocks of a page that have a mark, in order.

    Raises
    ------
    PageError
        If a mark has no block behind it, or an output no command before it.
    """
    page = _BARE.sub(r"\1: -->", page)
    found = list(_BLOCK.finditer(page))
    marks = re.findall(r"^ *<!-- (?:run|output|file): ", page, re.MULTILINE)
    if len(marks) != len(found):
        raise PageError(f"{len(marks)} marks, but {len(found)} of them stand before a block.")
    blocks: list[Block] = []
    for mark in sorted([*found, *_SET.finditer(page)], key=lambda mark: mark.start()):
        if mark.re is _SET:
            blocks.append(Block(_line(page, mark.start()), _settings(mark[1]), runs=False))
        else:
            _add(blocks, _line(page, mark.start("fence")), mark.groupdict())
    return blocks


def _add(blocks: list[Block], line: int, found: dict[str, str]) -> None:
    text = re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
    if found["mark"] == "run":
        script = _here("python -", text) if found["language"] == "python" else text
        needs = found["rest"].removeprefix("needs").split()
        blocks.append(Block(line, script, needs=needs))
    elif found["mark"] == "file":
        blocks.append(Block(line, _here(f"cat >{found['rest']}", text)))
    elif blocks:
        blocks[-1].shown.append(text)
    else:
        raise PageError(f"line {line}: an output without a command before it.")


def _line(page: str, position: int) -> int:
    return page.count("\n", 0, position) + 1


def _settings(text: str) -> str:
    pairs = [setting.split("=", 1) for setting in shlex.split(text)]
    return "".join(f'export {name}="${{{name}:={value}}}"\n' for name, value in pairs)


def _here(command: str, text: str) -> str:
    return f"{command} <<'END OF THE BLOCK'\n{text}END OF THE BLOCK\n"


def missing(block: Block, variables: dict[str, str]) -> list[str]:
    """Return what a block needs and this machine has not."""
    path = variables.get("PATH")
    return [
        need
        for need in block.needs
        if (need[1:] not in variables if need[0] == "$" else not shutil.which(need, path=path))
    ]


def run(blocks: list[Block], folder: Path, variables: dict[str, str]) -> str:
    """Run blocks in a new folder and return all that they printed.

    Raises
    ------
    PageError
        If one of them fails or prints something other than the page shows.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    parts = [f"echo '{_START.format(block.line)}'\n{block.script}" for block in blocks]
    script = folder / ".commands.sh"
    script.write_text("set -euo pipefail\n" + "\n".join(parts))
    done = subprocess.run(
        ["bash", script.name], cwd=folder, env=variables, check=False, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said = dict(re.findall(r"^=== line (\d+) of the page ===\n(.*?)(?=^=== line |\Z)",
                           done.stdout, re.MULTILINE | re.DOTALL))  # fmt: skip
    if done.returncode:
        line = list(said)[-1]
        raise PageError(f"line {line}: exit status {done.returncode}:\n{said[line]}")
    for block in blocks:
        compare(block, said[str(block.line)])
    return done.stdout


def compare(block: Block, said: str) -> None:
    """Raise `PageError` unless a block printed what the page shows."""
    for shown in block.shown:
        lines = [re.escape(line.rstrip()).replace("…", "[^\n]*") for line in shown.splitlines()]
        pattern = "".join("(?:.*\n)*?" if line == "[^\n]*" else f"{line} *\n" for line in lines)
        if not re.search(f"^{pattern}", said, re.MULTILINE):
            raise PageError(
                f"line {block.line}: the page shows\n{shown}but this was printed:\n{said}"
            )


def run_page(page: Path, work: Path, variables: dict[str, str], verbose: bool = False) -> str:
    """Run what can be run of a page, and return one line about it; raises `PageError`."""
    blocks = find_blocks(page.read_text(encoding="utf-8"))
    lacking: list[str] = []
    for index, block in enumerate(blocks):
        lacking = missing(block, variables)
        if lacking:
            # settings alone are not worth a shell, and may need what is lacking
            blocks = blocks[:index] if any(block.runs for block in blocks[:index]) else []
            break
    begin = time.monotonic()
    printed = run(blocks, work / page.stem, variables) if blocks else ""
    if verbose:
        print(printed)
    end = f"; from line {block.line} on skipped: no {', '.join(lacking)}" if lacking else ""
    return f"{len(blocks)} blocks, {time.monotonic() - begin:.0f} s{end}"


def environment(settings: list[str]) -> dict[str, str]:
    """Return the variables that commands see: this Python's programs come first."""
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return variables | dict(setting.split("=", 1) for setting in settings)


def main(arguments: list[str] | None = None) -> int:
    """Run pages one after another; the status is 1 if a command failed."""
    parser = argparse.ArgumentParser(description="Run the commands of pages of the guide.")
    parser.add_argument("pages", nargs="*", type=Path, help="default: all that have marks")
    parser.add_argument("--work", type=Path, default=Path("docs-out"))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what commands print")
    options = parser.parse_args(arguments)
    pages = options.pages or pages_with_commands()
    variables = environment(options.set)
    failed = 0
    for page in pages:
        try:
            print(f"{page}: {run_page(page, options.work, variables, options.verbose)}", flush=True)
        except PageError as error:
            failed += 1
            print(f"{page}: FAILED, {error}", flush=True)
    return min(failed, 1)


def pages_with_commands() -> list[Path]:
    """Return the pages of the guide in which something is run."""
    pages = sorted(REPOSITORY.glob("docs/**/*.md"))
    return [page for page in pages if re.search("^ *<!-- run", page.read_text(), re.MULTILINE)]


if __name__ == "__main__":
    sys.exit(main())
