"""docs/faults.md: each row has tests that exist, each message is one of the program's own."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENT = REPOSITORY / "docs" / "faults.md"
INDEX = REPOSITORY / "tests" / "faults" / "index.toml"
_ROW = re.compile(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)

# what the system says, not the program
_OTHERS = {"No space left on device", "Permission denied"}


def rows():
    found = _ROW.findall(DOCUMENT.read_text())
    return [row for row in found if not row[0].startswith(("what you see", "---"))]


def index():
    return {entry["see"]: entry["tests"] for entry in tomllib.loads(INDEX.read_text())["fault"]}


def messages():
    return sorted({m for row in rows() for m in re.findall("`([^`]+)`", row[0])} - _OTHERS)


def named_tests():
    return sorted({name for tests in index().values() for name in tests})


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


def test_every_row_has_a_remedy_a_status_and_tests():
    tests = index()
    assert {row[0] for row in rows()} == set(tests)
    for see, happened, remedy, status in rows():
        assert tests[see], see
        assert happened.strip() and remedy.strip(), see
        assert re.fullmatch(r"\d+( or \d+)?", status), see


@pytest.mark.parametrize("message", messages())
def test_the_program_says_so(said, message):
    assert message.rstrip("…") in said


@pytest.mark.parametrize("name", named_tests())
def test_the_test_exists(name):
    path, _, function = name.partition("::")
    tree = ast.parse((REPOSITORY / path).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
