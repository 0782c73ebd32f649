"""What the tests of whole runs and of pages use, shared with those."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def _fixtures_of(folder):
    spec = importlib.util.spec_from_file_location(f"of_{folder}", TESTS / folder / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_runs, _pages = _fixtures_of("integration"), _fixtures_of("report")
call_here, command, model = _runs.call_here, _runs.command, _runs.model
process, run_command, writers = _runs.process, _runs.run_command, _runs.writers
driver, show = _pages.driver, _pages.show


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.canary),)


@pytest.fixture
def trap(tmp_path):
    """An object whose pickle makes the folder ``trap.canary`` when it is opened."""
    return Trap(tmp_path / "canary")
