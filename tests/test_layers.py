"""Imports go one way only: each floor knows those below it, never those above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bids_sr

PACKAGE = Path(bids_sr.__file__).parent
FLOORS = (
    "app",
    "api",
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
FOUNDATION = {
    "argument_types",
    "command_parser",
    "entry_point",
    "errors",
    "resources",
    "system_errors",
}
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
    assert not own_imports(PACKAGE / "argument_types.py")
    assert not own_imports(PACKAGE / "errors.py")
    assert not own_imports(PACKAGE / "resources.py")
    assert own_imports(PACKAGE / "system_errors.py") == {"errors"}
    assert own_imports(PACKAGE / "entry_point.py") == {"errors", "system_errors"}
    # the others it names for type checkers, and imports when they are used
    assert own_imports(PACKAGE / "__init__.py") <= {"resources", "errors", *FLOORS}


def test_the_test_sees_an_import_that_goes_up(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from bids_sr.app.settings import Settings\n")
    assert wrong_imports(file, "images") == {"app"}
    file.write_text("from bids_sr import errors\nimport bids_sr.images.grid\n")
    assert not wrong_imports(file, "superres")
    assert wrong_imports(file, "bids") == {"images"}


def module_of(path, package):
    """The dotted name of a file of the package."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_imports(package):
    """Each module of a package, and the modules of it that it imports, at its top or later.

    What is imported for type annotations alone does not count: it never runs.
    """
    files = {module_of(path, package): path for path in package.rglob("*.py")}
    graph = {}
    for module, path in files.items():
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
        names = set(imports(tree)) | {name.rsplit(".", 1)[0] for name in imports(tree)}
        graph[module] = names & set(files) - {module, package.name}
    return graph


def circles(graph):
    """Modules that import themselves by way of others."""
    found = set()
    for module in graph:
        todo, seen = list(graph[module]), set()
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(graph[one])
        if module in seen:
            found.add(module)
    return found


def test_no_module_imports_itself_by_way_of_others():
    assert not circles(module_imports(PACKAGE))


def test_the_test_sees_a_circle(tmp_path):
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from house import b\nimport house.c\n")
    (package / "b.py").write_text("def f():\n    from house.a import g\n")
    (package / "c.py").write_text("if TYPE_CHECKING:\n    from house.a import g\n")
    assert circles(module_imports(package)) == {"house.a", "house.b"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_app_looks_at_the_environment(path):
    if path.relative_to(PACKAGE).parts[0] == "app":
        return
    nodes = ast.walk(ast.parse(path.read_text()))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not names & {"environ", "getenv"}
