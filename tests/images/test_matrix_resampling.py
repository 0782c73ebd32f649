"""Zero-filling undone: the scan that the scanner would have given at its own matrix."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.images.grid import from_slices
from bids_sr.images.matrix_resampling import acquired_affine, at_matrix, write_at_matrix, zero_fill
from bids_sr.images.nifti import DwiReader


@pytest.fixture(scope="module")
def scan(example, zero_filled):
    """Complex slices with noise, (2, 3, 128, 128), and the noise's standard deviation."""
    volumes = example[:2, 5:14:4]
    return zero_filled.complex_slices(volumes, snr=20), zero_filled.noise_sigma(volumes, 20)


@pytest.mark.parametrize("sides", [(256, 256), (256, 128), (128, 300), (341, 257)])
def test_filled_to_twice_its_matrix_and_more_it_comes_back_exactly(scan, sides):
    slices, sigma = scan
    back = at_matrix(np.abs(zero_fill(slices, sides)).astype(np.float32), (128, 128))
    assert np.abs(back - np.abs(slices)).max() < 0.01 * sigma


@pytest.mark.parametrize("matrix", [(110, 110), (111, 85), (55, 64), (127, 128)])
@pytest.mark.parametrize("stored", [256, 255])
def test_any_matrix_odd_or_even(scan, matrix, stored):
    slices = scan[0][..., : matrix[0], : matrix[1]]
    back = at_matrix(np.abs(zero_fill(slices, (stored, stored))).astype(np.float32), matrix)
    if 2 * max(matrix) <= stored:
        assert np.abs(back - np.abs(slices)).max() < 0.01 * scan[1]
    else:
        assert np.sqrt(np.mean((back - np.abs(slices)) ** 2)) < 0.2 * scan[1]


@pytest.mark.parametrize(("side", "of_noise"), [(192, 0.2), (149, 0.2), (136, 0.2)])
def test_filled_less_it_comes_near(example, scan, side, of_noise):
    slices, sigma = scan
    bright = np.abs(slices) > 10 * sigma
    back = at_matrix(np.abs(zero_fill(slices, (side, side))).astype(np.float32), (128, 128))
    error = (back - np.abs(slices))[bright]
    assert np.sqrt(np.mean(error**2)) < of_noise * sigma


def test_filling_keeps_intensity_and_field_of_view():
    flat = np.full((1, 11, 12), 3.0 + 4.0j)
    assert np.allclose(zero_fill(flat, (20, 31)), 3 + 4j)
    assert np.allclose(at_matrix(np.full((1, 20, 31), 5, np.float32), (11, 12)), 5)
    affine = acquired_affine(np.diag([1.0, 2.0, 3.0, 1.0]), (20, 31, 4), (11, 12, 4))
    for stored, shape, axis in ((20, 11, 0), (31, 12, 1)):
        size = (1.0, 2.0)[axis]
        step, start = affine[axis, axis], affine[axis, 3]
        assert step * shape == pytest.approx(size * stored)
        assert start - step / 2 == pytest.approx(-size / 2)


def test_signed_values_keep_their_sign(scan):
    slices = np.real(scan[0])
    back = at_matrix(np.real(zero_fill(slices + 0j, (256, 256))).astype(np.float32), (128, 128))
    kept = slices.mean()
    assert back.min() < 0
    assert back.mean() == pytest.approx(kept, rel=0.02)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_series_is_written_along_any_slice_axis(scan, write_nifti, tmp_path, axis):
    fine = np.abs(zero_fill(scan[0], (256, 200))).astype(np.float32)
    stored = np.stack([from_slices(volume, axis) for volume in fine], axis=-1)
    with DwiReader(write_nifti(stored)) as reader:
        write_at_matrix(reader, tmp_path / "acquired.nii", axis, (128, 128))
        corner = reader.affine @ (-0.5, -0.5, -0.5, 1)
    with DwiReader(tmp_path / "acquired.nii") as reader:
        made = np.stack([np.moveaxis(reader.volume(index), axis, 0) for index in range(2)])
        assert np.allclose(reader.affine @ (-0.5, -0.5, -0.5, 1), corner, atol=1e-4)
    assert made.shape == scan[0].shape
    assert np.abs(made[:, :, :, 0] - np.abs(scan[0])[:, :, :, 0]).max() < scan[1]
