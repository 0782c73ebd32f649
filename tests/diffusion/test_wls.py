"""The normal equations give what dipy's decomposition gives."""

from __future__ import annotations

import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import design_matrix, wls_fit_tensor

from bids_sr.diffusion import wls
from bids_sr.diffusion.wls import fit_wls


def design(bvals, seed=0):
    bvals = np.asarray(bvals, float)
    bvecs = np.random.default_rng(seed).normal(size=(len(bvals), 3))
    bvecs /= np.linalg.norm(bvecs, axis=1, keepdims=True)
    bvecs[bvals == 0] = 0
    return design_matrix(gradient_table(bvals, bvecs=bvecs))


def signals(matrix, n=2500, noise=0.05):
    rng = np.random.default_rng(1)
    roots = rng.normal(scale=np.sqrt(1e-3), size=(n, 3, 3))
    tensors = roots @ roots.transpose(0, 2, 1)
    lower = tensors[:, [0, 1, 1, 2, 2, 2], [0, 0, 1, 0, 1, 2]]
    clean = np.exp(np.c_[lower, np.zeros(n)] @ matrix.T)
    return np.maximum(clean + noise * rng.normal(size=clean.shape), 1e-3)


@pytest.mark.parametrize(
    "bvals", [[0] + [1000] * 6, [0] * 3 + [1000] * 30, [5] + [700] * 12 + [1500] * 12]
)
def test_it_is_dipys_fit(bvals):
    matrix = design(bvals)
    data = signals(matrix)
    expected, _ = wls_fit_tensor(matrix, data, return_lower_triangular=True)
    np.testing.assert_allclose(fit_wls(matrix, data), expected, rtol=1e-6, atol=1e-10)


def test_without_noise_the_tensors_come_back():
    matrix = design([0] + [1000] * 12)
    data = signals(matrix, noise=0.0)
    good = (data > 1e-3).all(axis=1)
    np.testing.assert_allclose(
        fit_wls(matrix, data[good]) @ matrix.T, np.log(data[good]), atol=1e-9
    )


def test_a_singular_fit_is_left_to_dipy(monkeypatch):
    matrix = design([0] + [1000] * 12)
    data = signals(matrix, n=1200)

    def fails(*_):
        raise np.linalg.LinAlgError

    expected = fit_wls(matrix, data)
    monkeypatch.setattr(wls, "_solve", fails)
    np.testing.assert_allclose(fit_wls(matrix, data), expected, rtol=1e-6, atol=1e-10)


def test_one_voxel_without_a_number_spoils_no_other():
    matrix = design([0] + [1000] * 12)
    data = signals(matrix, n=50)
    expected = fit_wls(matrix, data)
    data[7] = np.nan
    found = fit_wls(matrix, data)
    assert np.isnan(found[7]).any()
    np.testing.assert_allclose(np.delete(found, 7, 0), np.delete(expected, 7, 0), rtol=1e-9)


def test_directions_in_a_plane_are_left_to_dipy():
    """What runs across it has no say in any signal: no number of the design is above zero there."""
    angles = np.linspace(0, np.pi, 9)
    bvecs = np.stack([np.cos(angles), np.sin(angles), np.zeros(9)], axis=1)
    bvecs[0] = 0
    matrix = design_matrix(gradient_table(np.array([0.0, *[1000] * 8]), bvecs=bvecs))
    assert not matrix[:, 5].any()
    data = signals(matrix, n=30)
    expected, _ = wls_fit_tensor(matrix, data, return_lower_triangular=True)
    found = fit_wls(matrix, data)
    np.testing.assert_allclose(found @ matrix.T, expected @ matrix.T, atol=1e-6)
    assert np.isfinite(found).all()
