"""Lock files: gone afterwards, never followed where they are links."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from bids_sr.bids import locking
from bids_sr.bids.locking import lock_open_file, lock_path, locked, try_lock


@pytest.fixture
def path(tmp_path):
    return lock_path(tmp_path / "new", "sub-01")


def test_one_has_it_and_nothing_is_left(path):
    held = try_lock(path)
    assert held.reason == "" and path.is_file()
    assert try_lock(path) is None
    held.release()
    assert not list(path.parent.iterdir())


def test_a_link_is_replaced_what_it_leads_to_stays(path, tmp_path):
    annexed = tmp_path / "object"
    annexed.write_text("theirs")
    annexed.chmod(0o444)
    path.parent.mkdir()
    for target in (annexed, tmp_path / "nowhere"):
        path.symlink_to(target)
        held = try_lock(path)
        assert not path.is_symlink() and path.is_file()
        held.release()
    assert annexed.read_text() == "theirs" and not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write to anything")
def test_one_that_may_only_be_read(path):
    path.parent.mkdir()
    path.write_text("")
    path.chmod(0o444)
    held = try_lock(path)
    assert try_lock(path) is None
    held.release()
    assert not path.exists()


def test_it_is_waited_for_or_gone_on_without(path, monkeypatch):
    held = try_lock(path)
    with locked(path, wait_s=0) as reason:
        assert "another process has had it" in reason
    assert path.exists(), "not removed by who has it not"
    monkeypatch.setattr(locking.time, "sleep", lambda _: held.release())
    with locked(path) as reason:
        assert reason == ""


def test_without_locks_it_is_told(path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(path) as reason:
        assert reason == "Operation not supported"
    assert not path.exists()


@pytest.fixture
def handles(tmp_path):
    """Two descriptors of one file, as two processes have them."""
    file = tmp_path / "file"
    file.write_text("")
    with file.open() as one, file.open() as other:
        yield one.fileno(), other.fileno()


@pytest.mark.parametrize("first_shares", [True, False])
@pytest.mark.parametrize("second_shares", [True, False])
def test_only_shared_locks_go_together(handles, first_shares, second_shares):
    one, other = handles
    assert lock_open_file(one, shared=first_shares).held
    attempt = lock_open_file(other, shared=second_shares)
    assert attempt.held == (first_shares and second_shares)
    assert attempt.busy == (not attempt.held)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("wait", [True, False])
def test_a_shared_lock_and_waiting_are_what_the_system_is_asked_for(
    handles, monkeypatch, shared, wait
):
    asked = []
    monkeypatch.setattr(fcntl, "flock", lambda _, how: asked.append(how))
    assert lock_open_file(handles[0], shared=shared, wait=wait).held
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    assert asked == [kind | (0 if wait else fcntl.LOCK_NB)]


def test_a_share_that_does_not_answer_is_neither_busy_nor_without_locks(path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        try_lock(path)
