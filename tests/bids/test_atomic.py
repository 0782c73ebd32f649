"""Files appear whole or not at all; what killed processes left is removed, what lives is not."""

from __future__ import annotations

import os
import time

import numpy as np
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


def _writers():
    from bids_sr.bids.atomic import write_json
    from bids_sr.bids.gradient_files import write_gradients
    from bids_sr.bids.gradients import GradientTable
    from bids_sr.images.nifti import VolumeWriter, write_image

    def volumes(path):
        with VolumeWriter(path, (3, 3, 2, 2), np.eye(4)) as writer:
            for _ in range(2):
                writer.write(np.ones((3, 3, 2), np.float32))

    table = GradientTable([0, 1000], [[0, 0, 0], [1, 0, 0]])
    return {
        "a.txt": lambda path: write_text(path, "new"),
        "a.json": lambda path: write_json(path, {"new": 1}),
        "a.bval": lambda path: write_gradients(table, path, path.with_suffix(".bvec")),
        "a.bvec": lambda path: write_gradients(table, path.with_suffix(".bval"), path),
        "a.nii": lambda path: write_image(path, np.ones((3, 3, 2), np.uint8), np.eye(4)),
        "a.nii.gz": volumes,
    }


@pytest.mark.parametrize("name", _writers())
def test_who_reads_the_old_file_goes_on_reading_it(tmp_path, name):
    """A new file takes the name: what is open, or linked elsewhere, is never half of both."""
    path, link = tmp_path / name, tmp_path / "link"
    old = b"old " * 5000
    path.write_bytes(old)
    os.link(path, link)
    with path.open("rb") as reader:
        start = reader.read(10)
        _writers()[name](path)
        assert start + reader.read() == old == link.read_bytes()
    assert path.read_bytes() not in (b"", old)
    assert path.stat().st_ino != link.stat().st_ino


def test_what_was_written_is_moved_not_copied(tmp_path):
    """The file that appears is the one that was locked and written: it was never half there."""
    path = tmp_path / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        inode = temporary.stat().st_ino
        assert not path.exists()
    assert path.stat().st_ino == inode and path.read_text() == "new"
