"""The whole program on tiny datasets, called in this process or as a command."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@attrs.frozen
class Outcome:
    """What a call of the program left."""

    status: int
    """Exit status."""
    told: str
    """Standard error."""
    out: Path
    """Output folder."""

    def lines(self, *words):
        """Lines of standard error that hold all these words."""
        return [line for line in self.told.splitlines() if all(word in line for word in words)]


@pytest.fixture(scope="session")
def writers():
    """The module that writes tiny datasets and networks."""
    spec = importlib.util.spec_from_file_location("writers", REPOSITORY / "tests" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def model(writers, tmp_path_factory):
    """Folder of a tiny network of factor 2."""
    return writers.write_model(tmp_path_factory.mktemp("model") / "tiny")


@contextmanager
def standard_error():
    """Give a function that returns what was written to standard error, by workers too."""
    stream, saved = sys.stderr, os.dup(2)
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), 2)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)

        def read():
            sys.stderr.flush()
            file.seek(0)
            return file.read()

        try:
            yield read
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sys.stderr = stream


@pytest.fixture(scope="session")
def call_here():
    """Call ``main`` in this process; its environment is put back afterwards."""
    from bids_sr.app.main import main

    def call(*arguments):
        before, folder = dict(os.environ), Path.cwd()
        with standard_error() as read:
            try:
                status = main([str(argument) for argument in arguments])
                told = read()
            finally:
                os.environ.clear()
                os.environ.update(before)
        assert Path.cwd() == folder
        return Outcome(status, told, Path(arguments[1]))

    return call


@pytest.fixture(scope="session")
def process(call_here, model):
    """Process a dataset in this process with the tiny network, one core."""

    def go(dataset, out, *options):
        return call_here(
            dataset, out, "participant", "--model", model, "--nprocs", "1", "--device", "cpu",
            "--skip-bids-validation", *options,
        )  # fmt: skip

    return go


@pytest.fixture(scope="session")
def command(model):
    """The command line of a call in a process of its own."""

    def build(dataset, out, *options):
        return [
            sys.executable, str(REPOSITORY / "run.py"), str(dataset), str(out), "participant",
            "--model", str(model), "--nprocs", "1", "--device", "cpu", "--skip-bids-validation",
            *map(str, options),
        ]  # fmt: skip

    return build


@pytest.fixture(scope="session")
def run_command():
    """Run a command to its end."""

    def run(command, **keywords):
        done = subprocess.run(command, capture_output=True, text=True, check=False, **keywords)
        return Outcome(done.returncode, done.stderr, Path(command[3]))

    return run
