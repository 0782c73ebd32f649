"""One process at a time on one run; no lock outlives its process."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys

import pytest

from bids_sr.errors import OutputError
from bids_sr.workflow.locks import RunLocks, lock_file

HOLD = """
import fcntl, sys
handle = open(sys.argv[1], "w")
fcntl.flock(handle, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def plans(make_plans):
    return make_plans("01", "02")


def test_both_are_free_and_nothing_is_left(plans, tmp_path):
    with RunLocks(tmp_path) as locks:
        assert locks.take(plans) == (plans, [])
        assert lock_file(plans[0]).exists()
    assert not lock_file(plans[0]).exists() and not list(tmp_path.rglob("*.lock"))


def test_the_same_run_is_not_taken_twice(plans, tmp_path):
    with RunLocks(tmp_path / "a") as one, RunLocks(tmp_path / "b") as other:
        one.take(plans[:1])
        assert other.take(plans) == (plans[1:], plans[:1])
        one.release()
        assert other.take(plans[:1]) == (plans[:1], [])


def test_one_work_folder_for_two_output_folders(plans, tmp_path, make_plans):
    with RunLocks(tmp_path) as one, RunLocks(tmp_path) as other:
        one.take(plans[:1])
        lock_file(plans[0]).unlink()  # as if it lay in another output folder
        assert other.take(plans[:1]) == ([], plans[:1])


@pytest.mark.slow
def test_a_killed_process_holds_nothing(plans, tmp_path):
    path = lock_file(plans[0])
    path.parent.mkdir(parents=True)
    line = [sys.executable, "-c", HOLD, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(line, **pipes, text=True) as holder:
        holder.stdout.readline()
        with RunLocks(tmp_path) as locks:
            assert locks.take(plans[:1]) == ([], plans[:1])
            holder.kill()
            holder.wait()
            assert locks.take(plans[:1]) == (plans[:1], [])


def test_a_file_system_without_locks(plans, tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with RunLocks(tmp_path) as locks:
        assert locks.take(plans) == (plans, [])
    (line,) = [record.getMessage() for record in caplog.records]
    assert "the file system has no locks" in line


def test_a_folder_that_cannot_be_written(plans, tmp_path):
    (tmp_path / "work").write_text("in the way")
    with (
        RunLocks(tmp_path / "work") as locks,
        pytest.raises(OutputError, match="cannot be written"),
    ):
        locks.take(plans)
