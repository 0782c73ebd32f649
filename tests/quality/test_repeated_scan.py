"""The noise of a real scan's high band, against what its repeated directions say of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_sr.bids.gradients import read_gradients
from bids_sr.diffusion.ensemble_sd import subset
from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import DwiReader
from bids_sr.networks.angular_parts import L2, MEAN
from bids_sr.quality.high_band import HighBandFit, high_band, left_unexplained

STEM = Path(__file__).parents[3] / "shared/data/dwi-open/sub-trio01/dwi/sub-trio01_dwi"

pytestmark = pytest.mark.skipif(not STEM.parent.is_dir(), reason="the open scans are not here")


@pytest.fixture(scope="module")
def scan():
    """Gradients of two averages of 20 directions, every fourth slice, a crude mask."""
    with DwiReader(STEM.with_suffix(".nii.gz")) as reader:
        files = (STEM.with_suffix(f".{kind}") for kind in ("bval", "bvec"))
        gradients = read_gradients(*files, reader.shape[3])
        rows, columns = (n // 2 * 2 for n in reader.shape[:2])
        series = [
            np.array(to_slices(reader.volume(i), 2)[20:50:4, :rows, :columns])
            for i in range(reader.shape[3])
        ]
    b0 = np.mean([series[i] for i in np.flatnonzero(gradients.is_b0)], axis=0)
    return gradients, series, b0 > np.percentile(b0, 75)


def test_residuals_are_as_large_as_differences_of_repeats(scan):
    gradients, series, inside = scan
    fit = HighBandFit(gradients, inside, 2)
    for index, slices in enumerate(series):
        fit.add(index, slices)
    assert fit.models[1].design.shape == (40, 6)  # 20 directions, though 40 volumes
    high = [high_band(slices, 2)[inside] for slices in series]
    squares = [np.mean((high[i] - high[j]) ** 2) / 2 for i, j in pairs(gradients)]
    assert len(squares) == 20
    assert fit.residual(1).mean() == pytest.approx(np.mean(squares), rel=0.05)


def test_what_both_averages_share_is_the_power_without_noise(scan):
    gradients, series, inside = scan
    halves = [list(side) for side in zip(*pairs(gradients), strict=True)]
    fits = []
    for volumes in halves:
        fit = HighBandFit(subset(gradients, volumes), inside, 2)
        for place, volume in enumerate(volumes):
            fit.add(place, series[volume])
        fits.append(fit)
    found = {left.part: left for left in left_unexplained(*fits)}
    for part, rows in ((MEAN, slice(0, 1)), (L2, slice(1, 6))):
        # noise of one average is not in the other: the product has none
        one, other = (fit.coefficients[0][rows].astype(float) for fit in fits)
        shared = float((one * other).sum())
        assert found[part].power - found[part].noise == pytest.approx(
            shared, rel=0.1
        )  # the head moves a little
    # most of what looks like differences between directions is noise
    assert 0.5 < found[L2].noise_share < 0.8


def pairs(gradients):
    """Volumes of the same direction."""
    same = np.abs(gradients.bvecs @ gradients.bvecs.T) > 0.9998
    weighted = np.flatnonzero(~gradients.is_b0)
    return [(i, j) for i in weighted for j in weighted if i < j and same[i, j]]
