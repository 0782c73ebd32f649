"""Medians of the standard deviations."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps
from bids_sr.images.nifti import VolumeWriter, write_image
from bids_sr.quality.ensemble_sd import ensemble_sd_metrics, mean_deviation

GRADIENTS = GradientTable([0, 1000, 1000], [[0, 0, 0], [1, 0, 0], [0, 1, 0]])


@pytest.fixture
def maps(tmp_path):
    with VolumeWriter(tmp_path / "sd.nii.gz", (3, 3, 2, 3), np.eye(4)) as writer:
        for value in (50.0, 2.0, 4.0):
            writer.write(np.full((3, 3, 2), value, np.float32))
    write_image(tmp_path / "fa.nii.gz", np.full((3, 3, 2), 0.02, np.float32), np.eye(4))
    return EnsembleSdMaps(tmp_path / "sd.nii.gz", tmp_path / "fa.nii.gz")


def test_b0s_do_not_count(maps):
    np.testing.assert_array_equal(mean_deviation(maps.dwi, GRADIENTS), np.full((3, 3, 2), 3.0))


def test_metrics(maps):
    mask = np.ones((3, 3, 2), bool)
    found = ensemble_sd_metrics(maps, GRADIENTS, mask, scale=100.0)
    assert found == pytest.approx({"sd_dwi_median": 0.03, "sd_fa_median": 0.02})
    without = ensemble_sd_metrics(EnsembleSdMaps(maps.dwi, None), GRADIENTS, mask, scale=100.0)
    assert set(without) == {"sd_dwi_median"}
