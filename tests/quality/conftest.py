"""Scans whose truth and noise are known: tensors in fine stripes and patches."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.quality.high_band import HighBandFit

S0 = 1000.0
SHAPE = (6, 64, 64)
INSIDE = np.zeros(SHAPE, bool)
INSIDE[:, 6:-6, 6:-6] = True


def even_directions(count):
    """Directions (n, 3) spread evenly over the half sphere: a spiral of equal areas."""
    z = 1 - (np.arange(count) + 0.5) / count
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def table(directions, shells=(1000.0,), b0s=1, vectors=None):
    """Gradients: b0s, then each shell with the same directions."""
    vectors = even_directions(directions) if vectors is None else vectors
    bvals = np.concatenate([np.zeros(b0s), *(np.full(len(vectors), b) for b in shells)])
    return GradientTable(bvals, np.vstack([np.zeros((b0s, 3)), *[vectors] * len(shells)]))


def phantom(gradients, shape=SHAPE, seed=0):
    """Signals without noise, (V, slices, a, b): tensors that change from pixel to pixel."""
    from scipy.ndimage import gaussian_filter

    generator = np.random.default_rng(seed)

    def texture():
        field = gaussian_filter(generator.normal(size=shape), (0, 0.7, 0.7))
        return field / field.std()

    axis = np.stack([texture() for _ in range(3)], axis=-1)
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    s0 = S0 * np.clip(1 + 0.25 * texture(), 0.3, None)
    across = 0.5e-3 * np.clip(1 + 0.2 * texture(), 0.3, None)
    along = 0.9e-3 * np.clip(1 + 0.3 * texture(), 0.1, None)
    cosine = axis @ gradients.bvecs.T
    decay = across[..., None] + along[..., None] * cosine**2
    signal = s0[..., None] * np.exp(-gradients.bvals * decay)
    return np.moveaxis(signal, -1, 0).astype(np.float32)


def noisy(signal, snr, seed=1, rician=True):
    """The signal with noise of S0 / snr per channel."""
    generator = np.random.default_rng(seed)
    real, imaginary = (generator.normal(0, S0 / snr, signal.shape) for _ in range(2))
    seen = np.hypot(signal + real, imaginary) if rician else signal + real
    return seen.astype(np.float32)


def fitted(series, gradients, inside=INSIDE, factor=2):
    """The high bands of a series, (V, slices, a, b), split."""
    fit = HighBandFit(gradients, inside, factor)
    for index, slices in enumerate(series):
        fit.add(index, slices)
    return fit


@pytest.fixture(scope="session")
def planted():
    """All of the above."""
    return SimpleNamespace(
        S0=S0, INSIDE=INSIDE, directions=even_directions, table=table, phantom=phantom,
        noisy=noisy, fitted=fitted,
    )  # fmt: skip
