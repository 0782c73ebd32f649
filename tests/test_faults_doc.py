"""docs/faults.md: every test that it names exists, every message is one of the program's own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENT = REPOSITORY / "docs" / "faults.md"
_ROW = re.compile(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)

# what the system or a BIDS name says, not the program
_OTHERS = {"No space left on device", "Permission denied", ".nii", ".nii.gz", ".bval", ".bvec"}


def rows():
    found = _ROW.findall(DOCUMENT.read_text())
    return [row for row in found if not row[0].startswith(("what goes wrong", "---"))]


def messages():
    return sorted({m for row in rows() for m in re.findall("`([^`]+)`", row[1])} - _OTHERS)


def named_tests():
    return sorted({name for row in rows() for name in re.findall("`([^`]+)`", row[3])})


def texts():
    """All texts of the package, with an ellipsis for what is put in."""
    for path in (REPOSITORY / "bids_sr").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
                yield "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"%\.?\d*[sdgf]", "…", node.value)


@pytest.fixture(scope="module")
def said():
    return "\n".join(texts())


def test_there_is_something_to_check():
    assert len(rows()) > 40 and len(messages()) > 30


def test_every_row_names_a_test_and_a_status():
    for what, _, status, named in rows():
        assert "`tests/" in named, what
        assert re.fullmatch(r"\d+( or \d+)?", status), what


@pytest.mark.parametrize("message", messages())
def test_the_program_says_so(said, message):
    assert message.rstrip("…") in said


@pytest.mark.parametrize("name", named_tests())
def test_the_test_exists(name):
    path, _, function = name.partition("::")
    tree = ast.parse((REPOSITORY / path).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
