"""What is done in one place is done nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bids_sr

PACKAGE = Path(bids_sr.__file__).parent

HOLDERS = {
    # opening images, reading voxels, writing; the 3D page makes images of its own, in memory
    "nibabel": {
        "images/header.py",
        "images/nifti_file.py",
        "images/orientation.py",
        "images/writer.py",
        "report/volumes3d.py",
    },
    "fcntl": {"bids/locking.py"},
    "bids_sr.workflow.manifest.manifest_faults": {"workflow/completeness.py"},
    "bids_sr.workflow.engine.loadpkl": {"workflow/completeness.py"},
}
"""What is imported, and the files that may."""

GEOMETRY = ("nibabel.affines", "nibabel.orientations")
"""Arithmetic with matrices, which knows no files."""


def imports(path):
    """Full names of what a file imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("what", HOLDERS)
def test_it_is_imported_by_its_holders_alone(what):
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for name in imports(path)
        if f"{name}.".startswith(f"{what}.") and not name.startswith(GEOMETRY)
    }
    assert found == HOLDERS[what]
