"""What `make test-fast` leaves out, and what tells that a test belongs there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import multiprocessing, subprocess, sys
import pytest

@pytest.fixture
def process():
    return None

@pytest.fixture(scope="module")
def python():
    return subprocess.run([sys.executable, "-c", ""])

def test_of_the_whole_program(process):
    pass

@pytest.mark.slow
def test_with_the_mark():
    subprocess.run([sys.executable, "-c", ""])

def test_that_starts_python():
    subprocess.run([sys.executable, "-c", ""])

def test_that_needs_python(python):
    pass

def test_that_starts_a_worker():
    worker = multiprocessing.get_context("fork").Process(target=print)
    worker.start()
    worker.join()

def test_that_starts_nothing_of_the_kind():
    subprocess.run(["true"])
"""


@pytest.mark.slow
def test_slow_tests_are_left_out_and_found_out(tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-vs", "-p", "no:cacheprovider", "-m", "not slow"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 deselected" in done.stdout, done.stdout + done.stderr
    failed = {
        line.split("::")[1].split()[0]
        for line in done.stdout.splitlines()
        if "FAILED" in line and "::" in line
    }
    assert failed == {
        "test_that_starts_python",
        "test_that_needs_python",
        "test_that_starts_a_worker",
    }
    assert "It starts python" in done.stdout and "mark it as slow" in done.stdout
    assert "3 failed, 1 passed" in done.stdout
