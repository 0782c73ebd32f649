from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.band import keep_band
from bids_sr.images.grid import SliceGrid
from bids_sr.quality.closeup import CloseUp
from bids_sr.quality.residuals import Residuals
from bids_sr.quality.series_context import (
    MAX_PER_SHELL,
    MAX_SLICES,
    MAX_VOLUMES,
    VolumePair,
    choose_slices,
    choose_volumes,
    make_context,
    spread_evenly,
    upsampled,
)
from bids_sr.quality.zero_filling import InputBand

SHAPE = (48, 40, 6)


def gradients(*shells):
    """One b0, and for each shell its b-value and number of volumes."""
    bvals = np.concatenate([[0.0], *(np.full(n, float(b)) for b, n in shells)])
    vectors = np.random.default_rng(0).standard_normal((bvals.size, 3))
    return GradientTable(bvals, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def context_of(table, shape=SHAPE):
    grid = SliceGrid(shape, np.diag([2, 2.5, 3, 1]), 2, 2)
    fine = np.ones(grid.high_resolution[0], bool)
    return make_context(table, grid, np.ones(shape, bool), fine)


def images(count, sharp=0.0, seed=0):
    """Noise, and its interpolation with a grid of period 4 whose sign alternates if `sharp`."""
    generator = np.random.default_rng(seed)
    low = (100 + 10 * generator.standard_normal((count, 6, 48, 40))).astype(np.float32)
    high = np.stack([upsampled(volume, 2) for volume in low])
    cell = np.zeros((4, 4), np.float32)
    cell[0, 0] = 1
    pattern = np.tile(cell - cell.mean(), (24, 20)) * sharp
    return low, high + pattern


def feed(observer, context, low, high):
    for i, (measured, output) in enumerate(zip(low, high, strict=True)):
        is_b0 = bool(context.gradients.is_b0[i])
        observer.add(VolumePair(i, context.shells[i], is_b0, measured, output))
    return observer.result()


def test_few_volumes_of_every_shell_are_looked_at_closely():
    table = gradients((1000, 30), (2000, 40), (3000, 2))
    chosen = choose_volumes(table)
    assert len(chosen) <= MAX_VOLUMES
    for shell in table.shells:
        assert 0 < len(chosen & set(shell.indices.tolist())) <= MAX_PER_SHELL
    assert 0 not in chosen
    assert len(choose_volumes(gradients((1000, 30)))) == MAX_PER_SHELL
    assert choose_volumes(gradients()) == {0}


def test_slices_hold_much_brain():
    mask = np.zeros((60, 10, 10), bool)
    mask[5:55, :2] = True
    mask[20:50] = True
    chosen = choose_slices(mask)
    assert len(chosen) == MAX_SLICES
    assert chosen[0] == 20
    assert chosen[-1] == 49
    assert choose_slices(np.zeros((4, 5, 5), bool)).size == 0


def test_spread_evenly():
    assert spread_evenly(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert spread_evenly(np.arange(2), 4).tolist() == [0, 1]
    assert spread_evenly(np.arange(0), 4).size == 0


def test_interpolation_as_of_the_output_has_no_negatives():
    slices = np.zeros((1, 16, 16), np.float32)
    slices[0, 8, 8] = 1
    fine = upsampled(slices, 2)
    assert fine.min() == 0
    assert fine.shape == (1, 32, 32)
    free = upsampled(slices, 2, signed=True)
    assert free.min() < -0.1
    np.testing.assert_array_equal(np.maximum(free, 0), fine)


def test_a_planted_grid_shows_in_the_output_alone():
    context = context_of(gradients((1000, 8)))
    metrics, curves = feed(CloseUp(context), context, *images(9, sharp=8.0))
    assert metrics["grid_f_dwi_p4_sr"] > 20 * metrics["grid_f_dwi_p4_input"]
    assert metrics["grid_a_dwi_p4_sr"] > 0.1
    assert metrics["grid_fslice_dwi_p4_sr"] > 5
    assert metrics["peak_db_dwi_p4"] > 10
    assert metrics["sharpness_sr"] > metrics["sharpness_input"]
    assert np.shape(curves["lattice"]["dwi"]["4"]) == (4, 4)
    assert np.argmax(curves["lattice"]["dwi"]["4"]) == 0
    assert len(curves["spectra"]["frequency"]) == len(curves["spectra"]["super-resolved"])


def test_interpolation_alone_changes_nothing():
    context = context_of(gradients((1000, 8)))
    metrics, _ = feed(CloseUp(context), context, *images(9))
    for period in (2, 4, 8, 16):
        assert metrics[f"peak_db_dwi_p{period}"] == pytest.approx(0, abs=1e-6)
        assert metrics[f"grid_f_dwi_p{period}_sr"] == pytest.approx(
            metrics[f"grid_f_dwi_p{period}_input"], nan_ok=True
        )
    assert metrics["sharpness_sr"] == pytest.approx(metrics["sharpness_input"])


def test_a_bad_slice_stands_out_of_the_residuals():
    context = context_of(gradients((1000, 4)))
    low, high = images(5)
    high[3, 2] *= 1.2
    residuals = Residuals(context)
    metrics, curves = feed(residuals, context, low, high)
    values = np.array(curves["dc_map"]["values"])
    assert values.shape == (5, 6)
    assert values[3, 2] == pytest.approx(20, abs=0.5)
    values[3, 2] = 0
    assert values.max() < 0.01
    assert metrics["dc_nrmse_b0"] < 1e-5 < metrics["dc_nrmse_b1000"]
    assert residuals.rms()["b1000"] == pytest.approx(20 / np.sqrt(4 * 6), rel=0.02)


def test_a_zero_filled_axis_is_named():
    context = context_of(gradients((1000, 4)), shape=(96, 120, 6))
    generator = np.random.default_rng(0)
    rows, columns = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 120), indexing="ij")
    edges = gaussian_filter(generator.standard_normal((5, 6, 96, 120)), (0, 0, 3, 3)) > 0.02
    head = (edges + 0.5) * (rows**2 + columns**2 < 0.7)
    whole = head + 0.03 * np.abs(generator.standard_normal(head.shape))
    low = keep_band(torch.from_numpy(whole), (0.6, 1.0)).abs().numpy().astype(np.float32)
    band = InputBand(context)
    _, curves = feed(band, context, low, low)
    words = re.fullmatch(
        r"axis i holds about (\d+) of 96 frequencies: zero-filled or .*", band.note()
    )
    assert words
    assert abs(int(words[1]) - 58) <= 6
    found = curves["axis_spectra"]
    assert found["i"]["band"] == pytest.approx(0.6, abs=0.07)
    assert found["j"]["band"] == 1
    assert found["i"]["frequency"][-1] == pytest.approx(1 / (2 * 2.0))
    assert found["j"]["frequency"][-1] == pytest.approx(1 / (2 * 2.5))
    assert band.limit == pytest.approx(min(found["i"]["band"] / 4, 0.2))
