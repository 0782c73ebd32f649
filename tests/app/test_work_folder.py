"""Our own folder in the work folder: marked, private, and all that is ever removed."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess

import pytest

from bids_sr.app.work_check import own_work_folder
from bids_sr.app.work_folder import MARK, work_folder
from bids_sr.errors import UsageError


def make(given, *, clean=False):
    with work_folder(given, clean=clean) as own:
        assert (own / MARK).is_file()
        return own


def used(given):
    """A work folder of an earlier call, with somebody's files beside ours and among ours."""
    own = make(given)
    (own / "bids_sr/sub_01/read").mkdir(parents=True)
    (own / "bids_sr/sub_01/read/result_read.pklz").write_text("ours")
    (own / "crashes").mkdir()
    (own / ".bids_sr-sub-01.lock").write_text("")
    (own / "notes.txt").write_text("theirs")
    (given / "bids").mkdir()
    (given / "bids/scan.nii.gz").write_text("theirs")
    return own


def test_a_new_one_is_private_those_above_are_as_usual(tmp_path, caplog):
    own = make(tmp_path / "a" / "b")
    assert own.parent == tmp_path / "a" / "b"
    for folder in (own, own.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) != 0o700
    assert not caplog.records


def test_one_that_is_there_keeps_its_rights(tmp_path, caplog):
    tmp_path.chmod(0o750)
    make(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750
    assert not caplog.records


def test_one_that_everybody_may_write_to_is_named(tmp_path, caplog):
    tmp_path.chmod(0o777)
    make(tmp_path)
    (record,) = caplog.records
    assert str(tmp_path) in record.message and "chmod o-w" in record.message


def test_where_everybody_removes_only_his_own_nothing_is_said(tmp_path, caplog):
    tmp_path.chmod(0o1777)
    make(tmp_path)
    assert not caplog.records


def test_a_temporary_one_is_gone_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with work_folder(None) as own:
        assert own.parent == tmp_path
    assert not list(tmp_path.iterdir())


def test_only_what_is_ours_is_removed(tmp_path, caplog):
    own = used(tmp_path)
    make(tmp_path)
    assert (own / "bids_sr/sub_01/read/result_read.pklz").exists(), "nothing goes without a word"
    make(tmp_path, clean=True)
    assert {path.name for path in own.iterdir()} == {MARK, ".gitignore", "notes.txt"}
    assert (tmp_path / "bids/scan.nii.gz").read_text() == "theirs"
    assert "notes.txt: does not belong to bids_sr, and is kept" in caplog.text


def test_a_folder_of_that_name_that_somebody_else_made(tmp_path):
    own = own_work_folder(tmp_path)
    own.mkdir()
    (own / "bids_sr").mkdir()
    (own / "bids_sr/scan.nii.gz").write_text("theirs")
    for clean in (False, True):
        with pytest.raises(UsageError, match="bids_sr did not make it"):
            make(tmp_path, clean=clean)
    assert {path.name for path in own.iterdir()} == {"bids_sr"}, "not even marked"
    assert (own / "bids_sr/scan.nii.gz").read_text() == "theirs"


def test_a_mark_that_is_a_link_marks_nothing(tmp_path):
    own = used(tmp_path)
    (own / MARK).rename(tmp_path / "mark")
    (own / MARK).symlink_to(tmp_path / "mark")
    with pytest.raises(UsageError, match="did not make it"):
        make(tmp_path, clean=True)
    assert (own / "bids_sr/sub_01").exists()


def test_of_a_call_that_was_killed_before_the_mark(tmp_path):
    own_work_folder(tmp_path).mkdir()
    make(tmp_path)


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize(
    "name", ["", "bids_sr", "crashes", "bids_sr/sub_01", "bids_sr/sub_01/read"]
)
def test_links_are_refused_not_followed(tmp_path, name, clean):
    """nipype, too, empties the folder of a step before it is run."""
    own = used(tmp_path)
    link, elsewhere = own / name, tmp_path / "elsewhere"
    link.rename(elsewhere)
    (elsewhere / "theirs").write_text("theirs")
    link.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="is a link"):
        make(tmp_path, clean=clean)
    assert (elsewhere / "theirs").read_text() == "theirs" and link.is_symlink()


def test_a_link_to_a_file_is_removed_its_target_is_not(tmp_path):
    own = used(tmp_path)
    (own / "bids_sr/sub_01/read/scan.nii.gz").symlink_to(tmp_path / "bids/scan.nii.gz")
    make(tmp_path, clean=True)
    assert not (own / "bids_sr").exists()
    assert (tmp_path / "bids/scan.nii.gz").read_text() == "theirs"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
def test_what_is_mounted_in_it_is_left(tmp_path):
    own = used(tmp_path)
    data = own / "bids_sr" / "data"
    data.mkdir()
    line = ["mount", "--bind", str(tmp_path / "bids"), str(data)]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        with pytest.raises(UsageError, match="something is mounted"):
            make(tmp_path, clean=True)
    finally:
        subprocess.run(["umount", str(data)], check=True)
    assert (tmp_path / "bids/scan.nii.gz").read_text() == "theirs"


def test_it_is_not_cleaned_while_another_call_works_in_it(tmp_path):
    own = used(tmp_path)
    with work_folder(tmp_path):
        make(tmp_path)
        with pytest.raises(UsageError, match="another call is using it"):
            make(tmp_path, clean=True)
    assert (own / "bids_sr/sub_01").exists()
    make(tmp_path, clean=True)
    assert not (own / "bids_sr").exists()


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    own = used(tmp_path)
    make(tmp_path, clean=True)
    assert not (own / "bids_sr").exists()


@pytest.mark.parametrize("clean", [True, False])
def test_a_share_that_does_not_answer_is_not_emptied(tmp_path, monkeypatch, clean):
    """Whether another call works in it cannot be known."""

    def refuse(*_):
        raise OSError(5, "Input/output error")

    own = used(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UsageError, match=r"cannot be used \(Input/output error\)"):
        make(tmp_path, clean=clean)
    assert (own / "bids_sr/sub_01/read/result_read.pklz").exists()


def test_git_never_sees_it(tmp_path):
    own = used(tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    told = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--porcelain", "-uall"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert own.name not in told and "bids/scan.nii.gz" in told
