from __future__ import annotations

import numpy as np
import pytest
from nibabel.affines import apply_affine

from bids_sr.images.grid import SliceGrid
from bids_sr.quality.interpolation import METHODS, interpolate


def blob(shape, affine, centre, sigma=6.0):
    """A Gaussian in world coordinates."""
    world = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    return np.exp(-((world - centre) ** 2).sum(-1) / (2 * sigma**2)).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_landmark_stays_where_it_was(method, factor, axis):
    affine = np.array([[-2, 0.1, 0, 31], [0.1, 2.1, 0.2, -28], [0, -0.2, 2.5, -35], [0, 0, 0, 1]])
    shape = (29, 26, 28)
    centre = apply_affine(affine, np.array([14.3, 12.6, 13.9]))
    grid = SliceGrid(shape, affine, axis, factor)
    fine_shape, fine_affine = grid.high_resolution
    fine = interpolate(blob(shape, affine, centre), factor, method, axis)
    assert fine.shape == fine_shape
    world = apply_affine(fine_affine, np.moveaxis(np.indices(fine_shape), 0, -1))
    found = (world * fine[..., None]).sum((0, 1, 2)) / fine.sum()
    assert np.abs(found - centre).max() < 0.01  # mm; half a fine voxel would be 0.3
    # not only its centre: the whole shape is where the truth has it
    error = np.abs(fine - blob(fine_shape, fine_affine, centre)).max()
    assert error < {"linear": 0.05, "cubic": 2e-3, "sinc": 2e-2}[method]


@pytest.mark.parametrize("method", METHODS)
def test_a_flat_image_stays_flat_to_the_edge(method):
    flat = np.full((8, 9, 4), 7, np.float32)
    assert interpolate(flat, 2, method) == pytest.approx(7, rel=1e-5)
