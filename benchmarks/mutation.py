"""How many faults planted into the code the tests notice: mutmut, on a random sample.

    python benchmarks/mutation.py images diffusion/wls.py --sample 40 --seed 1 --work mutation-out

For each folder, or module, of ``bids_sr/`` the working tree is copied into `--work`, mutmut breaks
its code in all the ways that it knows (another operator, number or argument, ``None``, a word
exchanged), and some of these mutants are drawn at random. Each is run against those tests of
``tests/FOLDER`` (of a module: those in its ``test_MODULE.py``, if there is one) that call the
function that was broken, fastest first, until one fails. Printed are a Markdown table and the
survivors as diffs; they are written to ``survivors-FOLDER.diff`` in `--work`, too.

What mutmut leaves alone: log messages and errors (``[tool.mutmut]`` in ``pyproject.toml``),
decorated functions, constants of modules. Run it where nobody else needs the cores, with
``OMP_NUM_THREADS=1``: mutants are forked, and threads of a library do not survive that.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import tomli_w

_ROOT = Path(__file__).parents[1]
_NEEDED = ("bids_sr", "tests", "models", "examples", "benchmarks", "version", "README.md", "docs")
_STATUS = {1: "killed", 3: "killed", 0: "survived", 5: "not run", 33: "not run", None: "not tried"}
"""Of mutmut's exit codes; all others are mutants that did not end, or took the process along."""


def main() -> None:
    """Test each folder, and print what was found."""
    arguments = _parser().parse_args()
    rows: list[tuple[str, *tuple[int, ...]]] = []
    for part in arguments.parts:
        name = part.removesuffix(".py").replace("/", "-")
        work = arguments.work.resolve() / name
        found = _test(part, work, arguments)
        count = Counter(_STATUS.get(code, "stopped") for code in found.values())
        diffs = [_mutmut(work, "show", name) for name in sorted(found) if found[name] in (0, 5, 33)]
        (work.parent / f"survivors-{name}.diff").write_text("\n".join(diffs))
        print("\n".join(diffs), flush=True)
        counted = (count[status] for status in ("killed", "stopped", "survived", "not run"))
        rows.append((part, len(found), *counted))
    print(f"\nSeed {arguments.seed}. Not reached: none of its tests calls the function.\n")
    print("| part | mutants | killed | without end | survived | not reached | killed |")
    print("|---|---|---|---|---|---|---|")
    for part, total, killed, *others in [*rows, _total(rows)]:
        share = f"{100 * killed / total:.0f} %" if total else "-"
        print(f"| {part} | {total} | {killed} | {' | '.join(map(str, others))} | {share} |")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "parts", nargs="+", metavar="FOLDER[/MODULE.py]", help="folders of bids_sr/, or modules"
    )
    parser.add_argument("--sample", type=int, default=40, help="mutants of each; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at once")
    parser.add_argument("--work", type=Path, default=Path("mutation-out"), help="takes the copies")
    return parser


def _test(part: str, work: Path, arguments: argparse.Namespace) -> dict[str, int | None]:
    """Return mutmut's exit code of each mutant drawn."""
    _copy(part, work)
    # of a name that there is not, mutmut makes all mutants, times all tests, and runs none
    said = _mutmut(work, "run", "none", fails=True)
    names = sorted(_codes(work))
    if not names:
        sys.exit(f"mutmut made no mutants of {part}:\n{said}")
    size = min(arguments.sample or len(names), len(names))
    drawn = random.Random(f"{arguments.seed} {part}").sample(names, size)
    print(f"{part}: {size} of {len(names)} mutants", flush=True)
    _mutmut(work, "run", "--max-children", str(arguments.jobs), *drawn)
    codes = _codes(work)
    return {name: codes[name] for name in drawn}


def _copy(part: str, work: Path) -> None:
    """Put the working tree there, and what mutmut is to break and to run."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in _NEEDED:
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, work / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, work / name)
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    settings = project["tool"]["mutmut"]
    settings["only_mutate"] = [
        f"bids_sr/{part}" if part.endswith(".py") else f"bids_sr/{part}/*.py"
    ]
    settings["pytest_add_cli_args_test_selection"] = [_tests_of(part)]
    settings["also_copy"] = [name for name in _NEEDED if name not in ("bids_sr", "tests")]
    (work / "pyproject.toml").write_text(tomli_w.dumps(project))


def _tests_of(part: str) -> str:
    """Return the tests next to a folder, or to a module."""
    folder, _, module = part.partition("/")
    nearest = f"tests/{folder}/test_{module}"
    return nearest if module and (_ROOT / nearest).is_file() else f"tests/{folder}"


def _mutmut(work: Path, *arguments: str, fails: bool = False) -> str:
    """Call mutmut in a copy; return what it says."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(
        command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode and not fails:
        last = "\n".join(re.split(r"[\r\n]+", done.stdout)[-60:])  # it draws its progress
        sys.exit(f"mutmut {arguments[0]} failed in {work}:\n{last}")
    return done.stdout


def _codes(work: Path) -> dict[str, int | None]:
    """Return the exit code of each mutant made, by its name; None: not tried yet."""
    found: dict[str, int | None] = {}
    for path in (work / "mutants").rglob("*.meta"):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def _total(rows: list[tuple[str, *tuple[int, ...]]]) -> tuple[str, *tuple[int, ...]]:
    return ("all", *(sum(counts) for counts in zip(*(row[1:] for row in rows), strict=True)))


if __name__ == "__main__":
    main()
