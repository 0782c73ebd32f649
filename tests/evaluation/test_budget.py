"""The error budget finds errors that were planted."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.dwi_run import DwiFiles, DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.evaluation.budget import error_budget
from bids_sr.evaluation.trial import Trial
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import write_image

SHAPE = (12, 10, 4)
SHELLS = {1000: range(1, 9), 2000: range(9, 13)}
PEAK = 100.0


@pytest.fixture
def planted(tmp_path):
    """A function that scores a series; and the oracle's series and the reference's noise.

    All is 100 but for what is planted; the reference is the oracle's series with noise.
    """
    generator = np.random.default_rng(0)
    oracle = np.full((*SHAPE, 13), PEAK, np.float32)
    for volumes in SHELLS.values():
        for volume in volumes:
            oracle[..., volume] += 5 * generator.normal(size=SHAPE)
    noise = generator.normal(0, 3, oracle.shape).astype(np.float32)
    directions = generator.normal(size=(13, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    bvals = np.array([0, *[1000] * 8, *[2000] * 4])
    paths = {name: tmp_path / f"{name}.nii.gz" for name in ("truth", "oracle", "test")}
    write_image(paths["truth"], oracle + noise, np.eye(4))
    write_image(paths["oracle"], oracle, np.eye(4))
    files = DwiFiles(paths["truth"], None, None, None, {}, {"sub": "01"}, tmp_path)
    run = DwiRun(files, GradientTable(bvals, directions), (*SHAPE, 13))
    mask = np.zeros(SHAPE, bool)
    mask[2:-2, 2:-2] = True
    trial = Trial(paths["truth"], paths["oracle"], run, SliceGrid(SHAPE, np.eye(4), 2, 2), mask)

    def score(series):
        write_image(paths["test"], series.astype(np.float32), np.eye(4))
        return error_budget(trial, paths["test"], paths["oracle"])

    return score, oracle, noise, mask


def mean_square(series, mask):
    """Over the weighted volumes, in squared peaks, the peak being about 100."""
    return float((series[mask][:, 1:] ** 2).mean()) / PEAK**2


def test_parts_add_up_to_the_mean_squared_error(planted):
    score, oracle, noise, mask = planted
    error = np.random.default_rng(1).normal(0, 4, oracle.shape)
    found = score(oracle + error)
    # one peak for each shell, so only about equal to the formula with 100
    assert found.total == pytest.approx(mean_square(error - noise, mask), rel=0.35)
    assert found.total == found.mean + found.directional + found.rest
    assert min(found.mean, found.directional, found.rest) > 0


def test_an_error_of_the_mean_is_not_directional(planted):
    score, oracle, _, _ = planted
    perfect = score(oracle)
    found = score(oracle + 10 * np.random.default_rng(1).normal(size=(*SHAPE, 1)))
    assert found.directional == pytest.approx(0, abs=1e-9)
    assert found.rest == pytest.approx(perfect.rest, rel=1e-4)
    assert found.mean > 10 * perfect.mean
    assert found.gain_mean_db > 5
    assert found.gain_directional_db == pytest.approx(0, abs=1e-4)
    assert perfect.gain_mean_db == perfect.gain_directional_db == 0


def test_a_directional_error_leaves_the_mean(planted):
    score, oracle, _, _ = planted
    error = 10 * np.random.default_rng(1).normal(size=oracle.shape)
    for volumes in SHELLS.values():
        error[..., list(volumes)] -= error[..., list(volumes)].mean(-1, keepdims=True)
    perfect, found = score(oracle), score(oracle + error)
    assert found.mean == pytest.approx(perfect.mean, rel=1e-3)
    assert found.directional > 5 * perfect.total
    # with the oracle's directions nothing but the perfect method's error would be left
    gain = 10 * np.log10(found.total / perfect.total)
    assert found.gain_directional_db == pytest.approx(gain, rel=1e-3)


def test_the_mean_is_that_of_each_shell(planted):
    """Opposite errors of two shells would cancel in a mean over both."""
    score, oracle, _, _ = planted
    series = oracle.copy()
    for sign, volumes in zip((1, -2), SHELLS.values(), strict=True):
        series[..., list(volumes)] += sign * 5
    found = score(series)
    assert found.directional == pytest.approx(0, abs=1e-9)
    assert found.mean > 10 * score(oracle).mean


def test_row_is_in_thousandths(planted):
    score, oracle, _, _ = planted
    found = score(oracle * 1.1)
    row = found.to_row()
    assert row["budget_mean"] == 1e3 * found.mean
    assert row["budget_gain_mean_db"] == found.gain_mean_db
