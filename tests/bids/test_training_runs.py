"""Runs to learn from: BIDS or HCP, whichever it is."""

from __future__ import annotations

import pytest

from bids_sr.bids.training_runs import find_training_runs
from bids_sr.errors import UsageError


def test_bids(make_dataset):
    root = make_dataset("01", "02")
    assert [files.label for files in find_training_runs(root, ["02"])] == ["sub-02"]


def test_hcp(make_hcp):
    assert [files.label for files in find_training_runs(make_hcp())] == ["sub-100610"]


def test_bids_without_its_description_says_so(make_dataset):
    root = make_dataset("01")
    (root / "dataset_description.json").unlink()
    with pytest.raises(UsageError, match=r"no dataset_description\.json"):
        find_training_runs(root)


def test_neither(tmp_path):
    with pytest.raises(UsageError, match="neither a BIDS dataset nor"):
        find_training_runs(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        find_training_runs(tmp_path / "nowhere")
