"""The fit of signed signals is dipy's, and has no bias where noise is as large as the signal."""

from __future__ import annotations

import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel, design_matrix
from scipy.optimize import least_squares

from bids_sr.diffusion.nls import fit_nls
from bids_sr.diffusion.tensor import FLOOR, fit_tensor
from bids_sr.diffusion.wls import fit_wls
from bids_sr.images.nifti import load_volume

PROLATE = np.diag([1.6e-3, 0.3e-3, 0.3e-3])


@pytest.fixture
def gradients(table):
    return table((0, 4), (1000, 30), (2500, 30))


def measured(gradients, sigma, count, seed=0):
    """Signals (n, V) of one fibre, with noise on both sides of zero."""
    adc = np.einsum("vi,ij,vj->v", gradients.bvecs, PROLATE, gradients.bvecs)
    noise = np.random.default_rng(seed).normal(0, sigma, (count, gradients.n_volumes))
    return np.exp(-gradients.bvals * adc) + noise


def dipys(gradients):
    return gradient_table(gradients.bvals, bvecs=gradients.bvecs)


def fitted(gradients, signals):
    design = design_matrix(dipys(gradients))
    return fit_nls(design, signals, fit_wls(design, np.maximum(signals, FLOOR)))


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.2])
def test_it_is_the_minimum_that_scipy_finds(gradients, sigma):
    signals = measured(gradients, sigma, 20)
    lower = fitted(gradients, signals)
    design = design_matrix(dipys(gradients))
    scale = np.abs(design).max(axis=0)
    for voxel, found in zip(signals, lower, strict=True):
        best = least_squares(
            lambda x, voxel=voxel: np.exp(design / scale @ x) - voxel, found * scale + 0.01
        )
        np.testing.assert_allclose(found * scale, best.x, atol=2e-3)


def test_it_is_dipys_fit_where_nothing_is_negative(gradients):
    signals = measured(gradients, 0.01, 40)
    lower = fitted(gradients, signals)
    fit = TensorModel(dipys(gradients), fit_method="NLLS", return_S0_hat=True).fit(signals)
    own = np.linalg.eigvalsh(_tensor(lower))[:, ::-1]
    np.testing.assert_allclose(own, fit.evals, atol=4e-6)
    np.testing.assert_allclose(np.exp(-lower[:, 6]), fit.S0_hat, rtol=2e-3)


def _tensor(lower):
    xx, xy, yy, xz, yz, zz = lower[:, :6].T
    return np.moveaxis(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]), -1, 0)


def test_diffusivity_has_no_bias_at_a_signal_to_noise_ratio_of_one(gradients):
    # at b = 2500 across the fibre 0.47, along it 0.02: of noise of 0.2, a tenth and more is gone
    signals = measured(gradients, 0.2, 4000)
    trace = np.trace(PROLATE)
    found = fitted(gradients, signals)[:, [0, 2, 5]].sum(axis=1)
    design = design_matrix(dipys(gradients))
    logarithms = fit_wls(design, np.maximum(signals, FLOOR))[:, [0, 2, 5]].sum(axis=1)
    assert np.median(found) == pytest.approx(trace, rel=0.03)
    assert abs(np.median(logarithms) / trace - 1) > 0.1  # so there was something to win


def test_a_start_that_is_no_number_stays_one(gradients):
    signals = measured(gradients, 0.02, 3)
    start = fitted(gradients, signals)
    start[1] = np.nan
    lower = fit_nls(design_matrix(dipys(gradients)), signals, start)
    assert np.isnan(lower[1]).all()
    assert np.isfinite(lower[[0, 2]]).all()


def test_maps_of_a_signed_series(gradients, write, tmp_path):
    data = measured(gradients, 0.2, 20 * 20 * 5).reshape(20, 20, 5, -1)
    dwi = write(500 * data, np.diag([2.0, 2, 2, 1]))
    mask = np.ones(data.shape[:3], bool)
    median = {}
    for signed in (False, True):
        out = {"md": tmp_path / f"md{signed}.nii.gz"}
        maps = fit_tensor(dwi, gradients, mask, out, params=("md",), signed=signed)
        median[signed] = np.median(load_volume(maps.paths["md"])[0])
        assert (maps.summary["floored_fraction"] > 0) != signed
    truth = np.trace(PROLATE) / 3
    assert median[True] == pytest.approx(truth, rel=0.05)
    assert abs(median[True] - truth) < 0.5 * abs(median[False] - truth)
