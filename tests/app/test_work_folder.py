"""The work folder is private if we make it, and named if everybody may write to it."""

from __future__ import annotations

import stat

from bids_sr.app.work_folder import make_private


def test_a_new_one_is_private_those_above_are_as_usual(tmp_path, caplog):
    make_private(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) != 0o700
    assert not caplog.records


def test_one_that_is_there_keeps_its_rights(tmp_path, caplog):
    tmp_path.chmod(0o750)
    make_private(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750
    assert not caplog.records


def test_one_that_everybody_may_write_to_is_named(tmp_path, caplog):
    tmp_path.chmod(0o777)
    make_private(tmp_path)
    (record,) = caplog.records
    assert str(tmp_path) in record.message and "chmod o-w" in record.message
