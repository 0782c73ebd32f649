"""Imports go one way only: each floor knows those below it, never those above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bids_sr

PACKAGE = Path(bids_sr.__file__).parent
FLOORS = (
    "app",
    "workflow",
    "report",
    "study",
    "training",
    "evaluation",
    "quality",
    "diffusion",
    "superres",
    "networks",
    "images",
    "bids",
)
FOUNDATION = {"entry_point", "errors", "resources", "system_errors"}
FILES = sorted(path for floor in FLOORS for path in (PACKAGE / floor).rglob("*.py"))


def imports(tree):
    """Names of all modules that a file imports, at its top or later."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path):
    """The floors (or foundation modules) of bids_sr that a file imports."""
    parts = [name.split(".") for name in imports(ast.parse(path.read_text()))]
    return {part[1] for part in parts if part[0] == "bids_sr" and len(part) > 1}


def wrong_imports(path, floor):
    allowed = {*FLOORS[FLOORS.index(floor) :], *FOUNDATION}
    if floor == "app":
        allowed.add("__version__")
    return own_imports(path) - allowed


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_goes_up(path):
    assert not wrong_imports(path, path.relative_to(PACKAGE).parts[0])


def test_every_folder_is_a_known_floor():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(FLOORS)


def test_foundation_stands_on_nothing():
    assert not own_imports(PACKAGE / "errors.py")
    assert not own_imports(PACKAGE / "resources.py")
    assert own_imports(PACKAGE / "system_errors.py") == {"errors"}
    assert own_imports(PACKAGE / "entry_point.py") == {"errors", "system_errors"}
    assert own_imports(PACKAGE / "__init__.py") == {"resources"}


def test_the_test_sees_an_import_that_goes_up(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from bids_sr.app.settings import Settings\n")
    assert wrong_imports(file, "images") == {"app"}
    file.write_text("from bids_sr import errors\nimport bids_sr.images.grid\n")
    assert not wrong_imports(file, "superres")
    assert wrong_imports(file, "bids") == {"images"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_app_looks_at_the_environment(path):
    if path.relative_to(PACKAGE).parts[0] == "app":
        return
    nodes = ast.walk(ast.parse(path.read_text()))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not names & {"environ", "getenv"}
