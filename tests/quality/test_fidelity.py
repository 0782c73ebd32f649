from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from bids_sr.quality.fidelity import erode, peak_of, psnr, ssim

SHAPE = (32, 28, 5)


@pytest.fixture
def reference():
    return np.random.default_rng(0).random(SHAPE).astype(np.float32) * 100


@pytest.fixture
def mask():
    inside = np.zeros(SHAPE, bool)
    inside[8:24, 7:21, 1:4] = True
    return inside


def test_psnr_of_a_planted_error(reference, mask):
    test = reference + np.float32(5)
    assert psnr(reference, test, mask, 100) == pytest.approx(20 * np.log10(100 / 5), abs=1e-3)


def test_only_the_mask_counts(reference, mask):
    test = reference + np.float32(5)
    test[~mask] = 1e6
    assert psnr(reference, test, mask, 100) == pytest.approx(20 * np.log10(20), abs=1e-3)


def test_equal_images(reference, mask):
    assert psnr(reference, reference, mask, 100) == np.inf
    assert ssim(reference, reference, mask, 100) == pytest.approx(1)


def test_empty_mask(reference):
    nothing = np.zeros(SHAPE, bool)
    assert np.isnan(psnr(reference, reference, nothing, 100))
    assert np.isnan(ssim(reference, reference, nothing, 100))


def test_peak_withstands_a_hot_voxel(reference, mask):
    before = peak_of(reference, mask)
    reference[10, 10, 2] = 1e5
    assert peak_of(reference, mask) == pytest.approx(before, rel=0.01)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ssim_is_that_of_the_slices(reference, axis):
    noisy = reference + np.random.default_rng(1).normal(0, 20, SHAPE).astype(np.float32)
    turned = [np.moveaxis(each, 2, axis) for each in (reference, noisy)]
    everywhere = np.ones(turned[0].shape, bool)
    expected = [
        structural_similarity(
            reference[:, :, k], noisy[:, :, k], data_range=100, gaussian_weights=True,
            use_sample_covariance=False, full=True,
        )[1].mean()
        for k in range(SHAPE[2])
    ]  # fmt: skip
    found = ssim(*turned, everywhere, 100, slice_axis=axis)
    assert found == pytest.approx(np.mean(expected), abs=1e-5)
    assert found < 0.95


def test_blur_lowers_ssim_more_than_a_tiny_offset_does(reference, mask):
    blurred = (reference + np.roll(reference, 1, 0) + np.roll(reference, 1, 1)) / 3
    offset = reference + np.float32(np.sqrt(np.mean((blurred - reference) ** 2)))
    assert ssim(reference, blurred, mask, 100) < ssim(reference, offset, mask, 100)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_rim_goes_within_the_slice_only(axis):
    mask = np.zeros((20, 20, 20), bool)
    mask[4:16, 4:16, 4:16] = True
    eroded = erode(mask, 2, axis)
    sides = [int(eroded.any(axis=tuple({0, 1, 2} - {a})).sum()) for a in range(3)]
    assert sides == [12 if a == axis else 8 for a in range(3)]
    assert mask.sum() == 12**3


def test_no_rim_leaves_the_mask():
    mask = np.zeros((6, 6, 2), bool)
    mask[1:5, 1:5] = True
    np.testing.assert_array_equal(erode(mask, 0), mask)
    assert erode(mask, 1).sum() == 8
