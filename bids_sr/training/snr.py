"""Signal-to-noise ratio of the training scans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from bids_sr.quality.noise import mppca_sigma
from bids_sr.quality.noise_sample import central_box


class HasPreparedSlices(Protocol):
    """A run prepared for training."""

    @property
    def snr_b0(self) -> float | None:
        """Signal-to-noise ratio of its b0s at low resolution; None if unknown."""


def snr_range(runs: Iterable[HasPreparedSlices]) -> tuple[float, float] | None:
    """Return the smallest and largest signal-to-noise ratio of the training b0s.

    Parameters
    ----------
    runs : iterable of HasPreparedSlices
        Training runs.

    Returns
    -------
    tuple of float or None
        None if it is unknown for all runs.
    """
    found = [ratio for run in runs if (ratio := run.snr_b0) is not None]
    return (round(min(found), 1), round(max(found), 1)) if found else None


def snr_of(volumes: np.ndarray, foreground: np.ndarray, is_b0: np.ndarray) -> float | None:
    """Return the signal-to-noise ratio of the b0s of a series.

    Measured as in the app (``snr_b0`` in a run's record), as the median b0 signal over the noise
    that MP-PCA estimates in a central box, but over all tissue instead of the brain alone.

    Parameters
    ----------
    volumes : numpy.ndarray
        (V, slices, a, b).
    foreground : numpy.ndarray
        Tissue mask, (slices, a, b) bool.
    is_b0 : numpy.ndarray
        (V,) bool.

    Returns
    -------
    float or None
        None without b0s, or with too few volumes for an estimate.
    """
    b0s = np.flatnonzero(is_b0)
    box = central_box(foreground)
    values = np.asarray(volumes[(slice(None), *box)], np.float32)
    sigma, _ = mppca_sigma(np.moveaxis(values, 0, -1), foreground[box])
    if sigma is None or not b0s.size:
        return None
    levels = [float(np.median(volumes[int(i)][foreground])) for i in b0s]
    return float(np.mean(levels)) / sigma
