from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bids_sr.quality.interpolation import interpolate
from bids_sr.quality.sharpness import RadialSpectrum, half_power

SHAPE = (128, 120)


def spectrum(slices, zooms):
    found = RadialSpectrum(zooms)
    found.add(slices, np.ones(slices.shape, bool))
    return found


@pytest.mark.parametrize("zooms", [(1.0, 1.0), (1.5, 1.2)])
@pytest.mark.parametrize("blur", [3.0, 5.0])  # mm
def test_half_power_of_blurred_noise_is_what_the_formula_says(zooms, blur):
    white = np.random.default_rng(0).standard_normal((8, *SHAPE))
    pixels = [blur / zoom for zoom in zooms]
    slices = gaussian_filter(white, (0, *pixels), mode="wrap")
    expected = np.sqrt(1.678) / (2 * np.pi * blur)
    assert spectrum(slices, zooms).half_power == pytest.approx(expected, rel=0.05)


def test_interpolation_adds_nothing_above_the_acquired_limit():
    coarse = np.random.default_rng(1).standard_normal((64, 60, 4)).astype(np.float32)
    fine = np.moveaxis(interpolate(coarse, 2, "sinc"), -1, 0)
    found = spectrum(fine, (1.0, 1.0))
    frequency, power = found.curve
    assert power[frequency > 0.36].max() < 1e-6 * power.max()  # the acquired corner is at 0.354
    assert np.isfinite(found.log_power).all()
    sharper = fine + 0.3 * np.random.default_rng(2).standard_normal(fine.shape)
    assert spectrum(sharper, (1.0, 1.0)).half_power > found.half_power


def test_nothing_has_no_sharpness():
    assert np.isnan(half_power(np.arange(1, 5) / 10, np.zeros(4)))
    assert np.isnan(half_power(np.empty(0), np.empty(0)))
