"""What stays behind when a run fails."""

from __future__ import annotations

import json
import logging

import pytest

from bids_sr.errors import InputError
from bids_sr.workflow.failures import describe, read_failure, record_failure


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_record_line_and_crash_file_agree(plan, caplog):
    error = raised(InputError("is broken\nin two lines.", file="x.nii.gz", remedy="Mend it."))
    with caplog.at_level(logging.ERROR, "bids_sr"):
        failure = record_failure(plan, "read", error)
    assert failure.message == "x.nii.gz: is broken in two lines. Mend it."
    assert read_failure(plan) == failure
    assert json.loads(plan.names.error.read_text())["run"] == "sub-01"
    (line,) = [record.getMessage() for record in caplog.records]
    assert failure.message in line and failure.crash_file in line
    assert "Traceback" not in line
    details = (plan.names.out_dir / failure.crash_file).read_text()
    assert "Traceback" in details and "step read" in details


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("odd"), "unexpected ValueError: odd"),
        (MemoryError(), "out of memory. Lower --nprocs"),
    ],
)
def test_what_users_read_of_other_exceptions(error, words):
    assert words in describe(error)


def test_no_failure_no_record(plan):
    assert read_failure(plan) is None


def test_an_unreadable_record_is_a_failure_still(plan):
    plan.names.error.parent.mkdir(parents=True)
    plan.names.error.write_text("{")
    assert read_failure(plan).run == "sub-01"


def test_a_log_folder_that_cannot_be_written_is_no_second_failure(plan):
    plan.names.out_dir.mkdir()
    (plan.names.out_dir / "logs").write_text("a file in the way")
    assert record_failure(plan, "read", ValueError("odd")).crash_file is None
