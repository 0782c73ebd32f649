"""The program on tiny datasets that are spoilt in some way; see the integration tests' fixtures."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).resolve().parents[1]


def load(path):
    """Import a file of the tests by its path."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, TESTS / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_integration = load("integration/conftest.py")
writers, model = _integration.writers, _integration.model
call_here, process = _integration.call_here, _integration.process
command, run_command = _integration.command, _integration.run_command


@pytest.fixture(scope="session")
def same():
    """The module that compares output folders."""
    return load("faults/same.py")


# the same few examples in every run of the tests; `make fuzz` looks further
hypothesis.settings.register_profile(
    "few",
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.register_profile(
    "many",
    max_examples=5000,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "few"))
