"""Scans of a study: their gradient tables are looked at before anything is learned."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bids_sr.errors import InputError
from bids_sr.study.recipe import Data
from bids_sr.study.scans import Dataset
from bids_sr.training import checked_runs


@pytest.fixture
def dataset(fibres, tmp_path):
    """A function that gives a study's dataset with a flipped table, with these settings."""
    folder = tmp_path / "data" / "sub-01" / "dwi"
    fibres.write_scan(folder, size=72.0, head=True, bvecs=fibres.directions(20) * [1, 1, -1])
    (folder / "mask.nii.gz").unlink()
    description = {"Name": "fibres", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (tmp_path / "data" / "dataset_description.json").write_text(json.dumps(description))

    def make(**settings):
        return Dataset(
            tmp_path / "data", tmp_path / "cache", Data(train=(), test=("01",)), **settings
        )

    return make


def test_a_wrong_table_is_refused_unless_told_otherwise(dataset):
    with pytest.raises(InputError, match="z flipped"):
        dataset().held_out(2)


def test_a_corrected_table_is_scored_with_and_looked_at_once(dataset, fibres, monkeypatch):
    looked = []
    check = checked_runs.checked_run

    def spy(run, mode):
        looked.append(mode)
        return check(run, mode)

    monkeypatch.setattr(checked_runs, "checked_run", spy)
    study = dataset(gradient_check="fix")
    for _ in range(2):
        ((run, prepared),) = study.held_out(2)
        assert np.allclose(run.gradients.bvecs[1:], fibres.directions(20))
        assert np.allclose(prepared.gradients.bvecs, run.gradients.bvecs)
    assert looked == ["fix"]
