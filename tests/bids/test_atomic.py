"""Files appear whole or not at all; what killed processes left is removed, what lives is not."""

from __future__ import annotations

import os
import time

import pytest

from bids_sr.bids.atomic import TEMPORARY, atomic_path, remove_orphans, write_text
from bids_sr.errors import OutputError


def test_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert not list(path.parent.iterdir())
    write_text(path, "whole")
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]


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
