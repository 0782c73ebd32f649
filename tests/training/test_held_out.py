"""Nobody is both learned from and held out, whatever the name."""

from __future__ import annotations

import os
import shutil

import pytest

from bids_sr.bids.training_runs import find_training_runs
from bids_sr.errors import UsageError
from bids_sr.training.held_out import refuse_shared_labels, refuse_shared_scans


@pytest.mark.parametrize(
    ("train", "held_out"),
    [(["01"], ["01"]), (["01"], ["sub-01"]), (["sub-01", "02"], ["03", "02"])],
)
def test_the_same_label_is_refused(train, held_out):
    with pytest.raises(UsageError, match="both for training and held out") as raised:
        refuse_shared_labels(train, held_out)
    assert raised.value.exit_code == 2


def test_other_labels_are_not():
    refuse_shared_labels(["01", "001"], ["1", "sub-10"])


@pytest.mark.parametrize("put", [shutil.copy, os.link, os.symlink])
def test_one_scan_under_two_labels_is_refused(make_dataset, put):
    data = make_dataset("01", "02")
    (data / "sub-03/dwi").mkdir(parents=True)
    for path in (data / "sub-01/dwi").iterdir():
        put(path, data / "sub-03/dwi" / path.name.replace("sub-01", "sub-03"))
    train, other, same = (find_training_runs(data, [label]) for label in ("01", "02", "03"))
    refuse_shared_scans(train, other)
    with pytest.raises(UsageError, match="is the same scan as") as raised:
        refuse_shared_scans(train, same)
    assert "sub-01_dwi.nii.gz" in str(raised.value) and "sub-03_dwi.nii.gz" in str(raised.value)


def test_other_sessions_of_a_participant_are_the_participant(make_dataset):
    data = make_dataset("01", "02")
    for session in ("1", "2"):
        folder = data / f"sub-02/ses-{session}/dwi"
        folder.mkdir(parents=True)
        for path in (data / "sub-02/dwi").iterdir():
            name = path.name.replace("sub-02", f"sub-02_ses-{session}")
            shutil.copy(path, folder / name)
    first, second = (
        [run for run in find_training_runs(data, ["02"]) if run.session == session]
        for session in ("1", "2")
    )
    assert first and second
    with pytest.raises(UsageError, match="sub-02: both for training and held out"):
        refuse_shared_scans(first, second)
