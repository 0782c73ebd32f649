from __future__ import annotations

import numpy as np
import pytest

from bids_sr.quality.peaks import peak_ratio, residual_power

SHAPE = (96, 112)


def noise(seed=0):
    return np.random.default_rng(seed).standard_normal((12, *SHAPE))


def wave(period):
    """A pattern that repeats every `period` rows and columns, and no sooner."""
    rows, columns = np.indices(SHAPE)
    return np.cos(2 * np.pi * rows / period) * np.cos(2 * np.pi * columns / period)


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_a_planted_wave_stands_out_at_its_period_alone(period):
    power = residual_power(noise() + 0.3 * wave(period))
    found = {p: peak_ratio(power, p) for p in (2, 4, 8, 16)}
    assert found[period] > 15
    assert max(ratio for p, ratio in found.items() if p != period) < 8


def test_its_height_in_decibel():
    amplitude = 0.5
    period = 2  # one peak, at (1/2, 1/2)
    n = np.prod(SHAPE)
    expected = 10 * np.log10((amplitude * n) ** 2 / n)  # a wave's power over that of white noise
    assert peak_ratio(residual_power(noise() + amplitude * wave(period)), period) == pytest.approx(
        expected, abs=1
    )


def test_no_power_gives_no_metric():
    assert np.isnan(peak_ratio(np.zeros(SHAPE), 4))
