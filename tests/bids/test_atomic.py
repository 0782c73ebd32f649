"""Files appear whole or not at all; what killed processes left is removed, what lives is not."""

from __future__ import annotations

import os
import time

import pytest

from bids_sr.bids.atomic import TEMPORARY, atomic_path, remove_orphans, write_text
from bids_sr.bids.locking import PATTERN
from bids_sr.errors import OutputError


def test_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert not list(path.parent.iterdir())
    write_text(path, "whole")
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]


def test_a_signal_just_after_a_file_was_made(tmp_path, monkeypatch):
    """The file is there, but who made it has not been told yet."""
    import fcntl

    def interrupt(*_):
        assert len(list(tmp_path.iterdir())) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", interrupt)
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_its_folder(tmp_path):
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(tmp_path / "folder" / "a.txt", "")


def test_orphans(tmp_path):
    (tmp_path / f"{TEMPORARY}x-b.txt").write_text("of a killed process")
    (tmp_path / "c.txt").write_text("finished")
    with atomic_path(tmp_path / "a.txt") as temporary:
        remove_orphans(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == [temporary.name, "c.txt"]
    assert (tmp_path / "a.txt").exists()
    remove_orphans(tmp_path / "nowhere")


@pytest.mark.parametrize(("age", "stays"), [(60, True), (100_000, False)])
def test_without_locks_age_tells(tmp_path, monkeypatch, age, stays):
    import fcntl

    def refuse(*_):
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / f"{TEMPORARY}x-b.txt"
    path.write_text("")
    os.utime(path, (time.time() - age,) * 2)
    remove_orphans(tmp_path)
    assert path.exists() == stays
    write_text(tmp_path / "a.txt", "")


def test_files_of_other_programs_stay(tmp_path):
    """Whatever their age: names of unfinished files are ours alone."""
    for name in (".tmp-x-b.txt", ".tmp-", "sub-01.lock"):
        (tmp_path / name).write_text("theirs")
        os.utime(tmp_path / name, (0, 0))
    remove_orphans(tmp_path)
    remove_orphans(tmp_path, PATTERN)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_orphan_that_became_a_link(tmp_path):
    """As ``datalad save`` makes of all it finds: the link goes, what it leads to stays."""
    (tmp_path / "object").write_text("theirs")
    (tmp_path / f"{TEMPORARY}x-b.txt").symlink_to("object")
    (tmp_path / f"{TEMPORARY}folder").mkdir()
    remove_orphans(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"object", f"{TEMPORARY}folder"}


def test_a_link_is_replaced_and_rights_are_as_usual(tmp_path):
    (tmp_path / "object").write_text("theirs")
    (tmp_path / "object").chmod(0o444)
    path = tmp_path / "a.txt"
    path.symlink_to("object")
    mask = os.umask(0o027)
    try:
        write_text(path, "ours")
    finally:
        os.umask(mask)
    assert not path.is_symlink() and path.read_text() == "ours"
    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "object").read_text() == "theirs"


def test_a_share_that_refuses_to_change_rights(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    for name in ("chmod", "fchmod", "lchmod", "utime", "link"):
        monkeypatch.setattr(os, name, refuse, raising=False)
    write_text(tmp_path / "a.txt", "ours")
    assert (tmp_path / "a.txt").read_text() == "ours"


def test_a_request_to_end_while_it_is_made_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr("bids_sr.bids.atomic._locked", interrupt)
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a.txt"):
        raise AssertionError("it was given out")
    assert not list(tmp_path.iterdir())
