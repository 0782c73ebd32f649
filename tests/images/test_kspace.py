"""The k-space pair: exact inverse, right geometry, any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bids_sr.images.kspace import (
    data_consistency,
    fill_matrix,
    kspace_crop,
    kspace_downsample,
    sinc_upsample,
)

SIZES = [(8, 8), (9, 12), (15, 7), (64, 82)]


def blob(shape, centre, width):
    """A Gaussian on pixel centres; `centre` and `width` in pixels of this grid."""
    rows, columns = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    distance = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    return torch.from_numpy(np.exp(-distance / (2 * width**2)))


def centroid(image):
    """Centre of mass in pixels."""
    grids = torch.meshgrid(*(torch.arange(n) for n in image.shape), indexing="ij")
    return [float((g * image).sum() / image.sum()) for g in grids]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("factor", [2, 3])
def test_crop_undoes_fill_exactly(shape, factor):
    lr = torch.rand(3, *shape, dtype=torch.float64)
    assert torch.allclose(kspace_crop(sinc_upsample(lr, factor), factor), lr, atol=1e-12)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("factor", [2, 3])
def test_constant_stays_constant(shape, factor):
    lr = torch.full(shape, 3.0, dtype=torch.float64)
    hr = sinc_upsample(lr, factor)
    assert hr.shape == (shape[0] * factor, shape[1] * factor)
    assert torch.allclose(hr, torch.full_like(hr, 3.0), atol=1e-12)
    assert torch.allclose(kspace_downsample(hr, factor), lr, atol=1e-12)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("shape", [(40, 41), (33, 48)])
def test_landmark_stays_where_it_was(shape, factor):
    centre = (shape[0] * 0.45 + 0.3, shape[1] * 0.55 - 0.2)
    lr = blob(shape, centre, 3.0)
    found = centroid(sinc_upsample(lr, factor))
    expected = [factor * c + (factor - 1) / 2 for c in centre]
    assert found == pytest.approx(expected, abs=1e-4)
    # and the way down is its mirror image
    hr_shape = tuple(factor * n for n in shape)
    down = kspace_downsample(blob(hr_shape, expected, 3.0 * factor), factor)
    assert centroid(down) == pytest.approx(list(centre), abs=1e-4)


def test_crop_agrees_with_fft_below_nyquist():
    # odd size: no shared Nyquist bin, so the textbook FFT crop must agree
    factor, n = 3, 11
    hr = torch.rand(n * factor, n * factor, dtype=torch.float64)
    spectrum = torch.fft.fft2(hr)
    k = torch.fft.fftfreq(n, d=1 / n).round().long()
    kept = spectrum[k % (n * factor)][:, k % (n * factor)]
    ramp = torch.exp(2j * np.pi * k.double() * (factor - 1) / 2 / (n * factor))
    lr = torch.fft.ifft2(kept * ramp[:, None] * ramp[None, :]).real / factor**2
    assert torch.allclose(kspace_crop(hr, factor), lr, atol=1e-12)


def test_averaging_halves_white_noise():
    noise = torch.randn(16, 128, 128, dtype=torch.float64)
    assert float(kspace_crop(noise, 2).std()) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("factor", [2, 3])
def test_data_consistency_keeps_what_was_measured(factor):
    lr = torch.rand(2, 10, 13, dtype=torch.float64)
    guess = torch.rand(2, 10 * factor, 13 * factor, dtype=torch.float64)
    fixed = data_consistency(guess, lr, factor)
    assert torch.allclose(kspace_crop(fixed, factor), lr, atol=1e-12)
    # what was not measured is the guess's own
    unmeasured = guess - sinc_upsample(kspace_crop(guess, factor), factor)
    assert torch.allclose(fixed - sinc_upsample(lr, factor), unmeasured, atol=1e-12)


def test_size_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="9 x 8"):
        kspace_crop(torch.zeros(9, 8), 2)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 128, 129])
@pytest.mark.parametrize("factor", [2, 3])
def test_kernels_are_the_sum_over_frequencies(n, factor):
    position = (np.arange(n * factor) - (factor - 1) / 2) / factor
    distance = position[:, None] - np.arange(n)[None, :]
    waves = np.ones_like(distance)
    for k in range(1, (n + 1) // 2):
        waves += 2 * np.cos(2 * np.pi * k * distance / n)
    nyquist = np.cos(np.pi * distance) if n % 2 == 0 else 0
    np.testing.assert_allclose(fill_matrix(n, factor), (waves + nyquist) / n, atol=1e-12)


def test_kernels_of_a_large_matrix():
    fill = fill_matrix(3000, 2)
    np.testing.assert_allclose(fill.sum(axis=1), 1, atol=1e-9)
