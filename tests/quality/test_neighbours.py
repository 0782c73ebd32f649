from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.quality.neighbours import neighbour_correlation


def table(count=8):
    vectors = np.random.default_rng(0).standard_normal((count, 3))
    return GradientTable(
        np.full(count, 1000.0), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    )


def test_equal_volumes_correlate_fully():
    signals = np.repeat(np.random.default_rng(1).random((500, 1)), 8, axis=1)
    assert neighbour_correlation(signals, table()) == pytest.approx(1)


def test_planted_noise_lowers_it_as_it_must():
    generator = np.random.default_rng(2)
    signals = generator.standard_normal((5000, 1)) + generator.standard_normal((5000, 8))
    assert neighbour_correlation(signals, table()) == pytest.approx(0.5, abs=0.05)


def test_the_nearest_direction_counts():
    angles = np.radians([0, 2, 90, 92])
    vectors = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    one, other = np.random.default_rng(3).standard_normal((2, 2000))
    signals = np.stack([one, one, other, other], axis=1)
    pairs = GradientTable(np.full(4, 1000.0), vectors)
    assert neighbour_correlation(signals, pairs) == pytest.approx(1)
    crossed = np.stack([one, other, one, other], axis=1)
    assert abs(neighbour_correlation(crossed, pairs)) < 0.1


def test_flat_or_lone_volumes_have_none():
    assert np.isnan(neighbour_correlation(np.ones((10, 8)), table()))
    assert np.isnan(neighbour_correlation(np.random.default_rng(0).random((10, 1)), table(1)))
