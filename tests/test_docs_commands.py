"""What runs the commands of the guide: marks, order, what is shown and what was printed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "run_commands", Path(__file__).parents[1] / "docs" / "tools" / "run_commands.py"
)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


def page(text):
    return text.replace("~~~", "```")


def ran(text, folder, **variables):
    return tool.run(tool.find_blocks(page(text)), folder, {**os.environ, **variables})


def test_only_marked_blocks_run_in_one_shell_one_after_another(tmp_path):
    text = """
~~~bash
exit 1
~~~
<!-- run -->
~~~bash
here=first; mkdir inside; cd inside
~~~
- in a list

    <!-- run -->
    ~~~bash
    echo "$here $(basename "$PWD") $DATA"
    ~~~
"""
    printed = ran(text, tmp_path / "work", DATA="there")
    assert "first inside there" in printed
    assert (tmp_path / "work" / "examples" / "dwi-small").is_dir()


def test_a_failure_names_the_line_of_the_page_and_what_was_printed(tmp_path):
    text = (
        "\n<!-- run -->\n~~~bash\necho one\n~~~\n\n<!-- run -->\n~~~bash\necho oops; false\n~~~\n"
    )
    with pytest.raises(tool.PageError, match=r"line 8: exit status 1:\noops"):
        ran(text, tmp_path / "work")


@pytest.mark.parametrize(
    ("shown", "fits"),
    [("one 1\ntwo 2\n", True), ("two …\n", True), ("one 1\n…\nthree 3\n", True), ("o…\nt…\n", True),
     ("one 2\n", False), ("two 2\none 1\n", False), ("one 1\nthree 3\n", False), ("on\n", False),
     ("ne 1\n", False)],
)  # fmt: skip
def test_what_the_page_shows_must_have_been_printed(tmp_path, shown, fits):
    command = "printf 'one 1\\ntwo 2\\nthree 3\\n'"
    text = f"<!-- run -->\n~~~\n{command}\n~~~\n<!-- output -->\n~~~text\n{shown}~~~\n"
    if fits:
        ran(text, tmp_path / "work")
    else:
        with pytest.raises(tool.PageError, match="line 2: the page shows"):
            ran(text, tmp_path / "work")


def test_a_file_is_written_as_it_stands(tmp_path):
    text = (
        '<!-- file: a.toml -->\n~~~toml\nx = "$HOME `b`"\n~~~\n<!-- run -->\n~~~\ncat a.toml\n~~~\n'
    )
    ran(text, tmp_path / "work")
    assert (tmp_path / "work" / "a.toml").read_text() == 'x = "$HOME `b`"\n'


@pytest.mark.parametrize(
    ("given", "printed"), [({}, "here/out, x y"), ({"OUT": "there"}, "there, x y")]
)
def test_variables_stand_for_the_paths_of_the_reader(tmp_path, given, printed):
    text = (
        '~~~bash\nOUT=/data/out\n~~~\n<!-- set: OUT=here/out OTHER="x y" -->\n'
        '<!-- run -->\n~~~bash\necho "$OUT, $OTHER"\n~~~\n<!-- output -->\n~~~\n'
        f"{printed}\n~~~\n"
    )
    ran(text, tmp_path / "work", **given)


def test_a_page_ends_where_something_is_missing(tmp_path):
    file = tmp_path / "page.md"
    file.write_text(page(
        "<!-- run -->\n~~~\ntouch first\n~~~\n<!-- run: needs bash no-such-program $NO_DATA -->\n"
        "~~~\ntouch second\n~~~\n<!-- run -->\n~~~\ntouch third\n~~~\n"
    ))  # fmt: skip
    line = tool.run_page(file, tmp_path / "out", dict(os.environ))
    assert line.startswith("1 blocks")
    assert line.endswith("from line 6 on skipped: no no-such-program, $NO_DATA")
    assert {path.name for path in (tmp_path / "out" / "page").iterdir()} >= {"first"}
    assert not (tmp_path / "out" / "page" / "third").exists()


def test_a_page_of_which_nothing_can_be_run_is_left_alone(tmp_path):
    file = tmp_path / "page.md"
    file.write_text(page("<!-- set: A=$NO -->\n<!-- run: needs $NO -->\n~~~\necho\n~~~\n"))
    line = tool.run_page(file, tmp_path / "out", dict(os.environ))
    assert line == "0 blocks, 0 s; from line 3 on skipped: no $NO"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["<!-- run -->\n\n~~~\nx\n~~~\n", "<!-- output -->\n~~~\nx\n~~~\n"]
)
def test_marks_that_mark_nothing_are_refused(text):
    with pytest.raises(tool.PageError, match=r"mark|without a command"):
        tool.find_blocks(page(text))


def test_the_status_tells_whether_a_page_failed(tmp_path, capsys):
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(page("<!-- run -->\n~~~\ntrue\n~~~\n"))
    bad.write_text(page("<!-- run -->\n~~~\nfalse\n~~~\n"))
    work = ["--work", str(tmp_path / "out")]
    assert tool.main([str(good), *work]) == 0
    assert tool.main([str(bad), str(good), *work]) == 1
    assert "bad.md: FAILED, line 2" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("path", tool.pages_with_commands(), ids=lambda path: path.name)
def test_commands_of_the_guide_run_and_print_what_is_shown(path, tmp_path):
    """Those that need no other data than the example; with all: make docs-commands."""
    tool.run_page(path, tmp_path, tool.environment([]))


def test_marks_of_all_pages_are_understood():
    for path in sorted(Path(tool.REPOSITORY, "docs").rglob("*.md")):
        tool.find_blocks(path.read_text())
