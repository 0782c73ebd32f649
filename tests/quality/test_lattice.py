"""The lattice fold finds a planted grid, measures it, and leaves anatomy alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bids_sr.quality.interpolation import interpolate
from bids_sr.quality.lattice import LatticeSums, normalised_residual
from bids_sr.quality.periods import ALL_PERIODS, PERIODS

SHAPE = (96, 112)


def brain(count=12, seed=0, shape=SHAPE):
    """Slices of smooth tissue with edges and white noise of sd 1, (slices, A, B), and a mask."""
    generator = np.random.default_rng(seed)
    tissue = gaussian_filter(generator.standard_normal((count, *shape)), (1, 4, 4)) > 0
    slices = 20 + 10 * tissue + generator.standard_normal((count, *shape))
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    mask = np.broadcast_to(rows**2 + columns**2 < 0.8, slices.shape)
    return np.where(mask, slices, 0), mask


def grid(period, shape=SHAPE):
    """A lattice of sd 1 that has no shorter period."""
    cell = np.random.default_rng(period).standard_normal((period, period))
    cell = (cell - cell.mean()) / cell.std()
    return np.tile(cell, [n // period + 1 for n in shape])[: shape[0], : shape[1]]


def lattice_folds(slices, mask, periods=PERIODS):
    sums = LatticeSums(periods)
    sums.add(normalised_residual(slices, mask), mask)
    return sums.folds()


def test_a_clean_brain_raises_no_alarm():
    for seed in range(3):
        folds = lattice_folds(*brain(seed=seed))
        for period in PERIODS:
            assert folds[period].f < 2
            assert folds[period].amplitude < 0.05


@pytest.mark.parametrize("period", ALL_PERIODS)
def test_a_planted_grid_is_found(period):
    slices, mask = brain()
    planted = slices + 0.3 * grid(period) * mask
    assert lattice_folds(planted, mask, ALL_PERIODS)[period].f > 5


def test_a_grid_of_period_3_hides_from_the_other_periods():
    slices, mask = brain()
    folds = lattice_folds(slices + 0.3 * grid(3) * mask, mask, ALL_PERIODS)
    assert max(folds[period].f for period in PERIODS) < 5 < folds[3].f


@pytest.mark.parametrize("amplitude", [0.2, 0.4])
def test_its_amplitude_is_measured(amplitude):
    noise = np.random.default_rng(1).standard_normal((12, *SHAPE))
    mask = np.ones(noise.shape, bool)
    z = normalised_residual(noise, mask)
    checker = grid(2)
    # what the smoothing leaves of the grid, in units of what it leaves of the noise
    kept = normalised_residual(noise + amplitude * checker, mask) - z
    found = lattice_folds(noise + amplitude * checker, mask)[2].amplitude
    assert found == pytest.approx(kept.mean(axis=0).std(), rel=0.1)
    assert found == pytest.approx(amplitude, rel=0.25)


@pytest.mark.parametrize("factor", [2, 3])
def test_cubic_interpolation_raises_no_alarm(factor):
    slices, mask = brain(shape=(48, 56))
    fine = interpolate(np.moveaxis(slices, 0, -1).astype(np.float32), factor, "cubic", 2)
    fine_mask = mask.repeat(factor, axis=1).repeat(factor, axis=2)
    folds = lattice_folds(np.moveaxis(fine, -1, 0), fine_mask)
    assert max(folds[period].f for period in PERIODS) < 3


def test_a_grid_that_changes_its_sign_is_found_in_single_slices():
    slices, mask = brain()
    signs = np.where(np.arange(len(slices)) % 2, 1, -1)[:, None, None]
    sums = LatticeSums()
    planted = slices + 2 * signs * grid(4) * mask
    sums.add(normalised_residual(planted, mask), mask)
    clean = LatticeSums()
    clean.add(normalised_residual(slices, mask), mask)
    assert sums.slice_f(4) > 10 * sums.folds()[4].f
    assert clean.slice_f(4) < 2
    assert np.isnan(LatticeSums().slice_f(4))


def test_the_cell_shows_where_the_grid_lies():
    slices, mask = brain()
    cell = np.zeros((4, 4))
    cell[1, 2] = 3
    sums = LatticeSums()
    planted = slices + np.tile(cell, (24, 28)) * mask
    sums.add(normalised_residual(planted, mask), mask)
    found = sums.cells()["4"]
    assert np.unravel_index(found.argmax(), (4, 4)) == (1, 2)
    assert found[1, 2] > 5 * np.abs(np.delete(found.ravel(), 6)).max()


def test_too_little_brain_gives_no_metric():
    slices, mask = brain()
    small = np.zeros_like(mask)
    small[:, 50:60, 50:60] = True
    folds = lattice_folds(slices, small)
    assert np.isnan(folds[16].f)
    assert np.isfinite(folds[2].f)
