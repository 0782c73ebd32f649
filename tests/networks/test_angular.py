"""Angular channels: planted signals are predicted, and the nearest is the nearest."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.networks.angular import HARMONICS, NEAREST, HarmonicFit, nearest
from bids_sr.networks.channels import SeriesConditioning


def directions(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fit(vectors, signals):
    harmonics = HarmonicFit(vectors)
    for row, value in enumerate(signals):
        harmonics.add(row, np.full((2, 3), value, np.float32))
    return [float(harmonics.predict(row)[0, 0]) for row in range(len(vectors))]


def test_harmonics_give_a_smooth_signal_of_two_fibres():
    vectors = directions(60)
    truth = 0.5 * np.exp(-1.5 * vectors[:, 0] ** 2) + 0.5 * np.exp(-1.5 * vectors[:, 1] ** 2)
    assert fit(vectors, truth) == pytest.approx(truth, rel=0.05)
    noisy = truth + np.random.default_rng(1).normal(0, 0.05, 60)
    assert np.std(fit(vectors, noisy) - truth) < 0.6 * np.std(noisy - truth)


def test_opposite_directions_are_one():
    vectors = directions(40)
    turned = np.where(np.arange(40)[:, None] % 3, vectors, -vectors)
    signals = np.exp(-(vectors[:, 2] ** 2))
    assert fit(turned, signals) == pytest.approx(fit(vectors, signals), rel=1e-4)


def test_nearest_directions_by_angle():
    degrees = np.deg2rad([0, 10, 30, 175])
    vectors = np.stack([np.cos(degrees), np.sin(degrees), 0 * degrees], axis=1)
    np.testing.assert_array_equal(nearest(vectors)[0], [3, 1, 2])  # 175 degrees are 5
    np.testing.assert_array_equal(nearest(vectors[:2]), [[1, -1, -1], [0, -1, -1]])
    np.testing.assert_array_equal(nearest(vectors[:1]), [[-1, -1, -1]])


@pytest.mark.parametrize(("count", "falls_back"), [(19, True), (30, False)])
def test_channels_of_a_series(count, falls_back):
    bvals = np.array([0.0, *[1000] * count])
    table = GradientTable(bvals, np.vstack([np.zeros(3), directions(count)]))
    series = np.random.default_rng(2).uniform(0.2, 0.8, (count + 1, 2, 3)).astype(np.float32)
    conditioning = SeriesConditioning(table, harmonics=True, fetch=lambda i: series[i])
    for index, volume in enumerate(series):
        conditioning.add(index, volume)
    names = ["tensor", HARMONICS, *NEAREST]
    tensor, smooth, *near = conditioning.channels(5, series[5], names)
    assert np.array_equal(smooth, tensor) == falls_back
    for image, row in zip(near, nearest(table.bvecs[1:])[4], strict=True):
        np.testing.assert_array_equal(image, series[row + 1])
    for image in conditioning.channels(0, series[0], names):  # a b0 has no neighbours
        np.testing.assert_allclose(image, series[0], rtol=1e-6)
