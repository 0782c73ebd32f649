"""What the noise is estimated from: a box of brain, and background, of the input's volumes."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from bids_sr.quality.noise import Noise, estimate_noise
from bids_sr.quality.series_context import Curves, Metrics, SeriesContext, VolumePair, spread_evenly

_BOX = (7, 40, 40)
"""Slices, rows and columns around the middle of the brain."""
_MAX_VOLUMES = 60
"""Volumes sampled."""
_RIM = 4
"""Pixels around the brain that are not background: skull, fat, and what the mask missed."""
_BACKGROUND = 3000
"""Background voxels."""


class NoiseSample:
    """Gathers the sample, and the brain's signal of each shell.

    Parameters
    ----------
    context : SeriesContext
        The series.
    """

    def __init__(self, context: SeriesContext) -> None:
        everything = np.arange(context.gradients.n_volumes)
        self._wanted = set(spread_evenly(everything, _MAX_VOLUMES).tolist())
        self._inside = context.inside
        self._box = central_box(context.inside)
        grown = binary_dilation(context.inside, np.ones((1, 3, 3), bool), iterations=_RIM)
        has_brain = context.inside.any(axis=(1, 2), keepdims=True)
        self._background = spread_evenly(np.flatnonzero(~grown & has_brain), _BACKGROUND)
        self._boxes: dict[int, NDArray[np.float32]] = {}
        self._air: dict[int, NDArray[np.float32]] = {}
        self._levels: dict[str, list[float]] = defaultdict(list)

    def add(self, pair: VolumePair) -> None:
        """Sample a volume."""
        brain = pair.measured[self._inside]
        if brain.size:
            self._levels[pair.shell].append(float(np.median(brain)))
        if pair.index in self._wanted:
            self._boxes[pair.index] = pair.measured[self._box].copy()
            self._air[pair.index] = pair.measured.ravel()[self._background]

    def estimate(self) -> Noise:
        """Return the noise of the input."""
        order = sorted(self._boxes)
        box = np.stack([self._boxes[i] for i in order], axis=-1)
        air = np.stack([self._air[i] for i in order], axis=-1)
        return estimate_noise(box, self._inside[self._box], air)

    def signal_to_noise(self, sigma: float | None) -> Metrics:
        """Return ``snr_<shell>``: the brain's median signal in one volume over sigma."""
        return {
            f"snr_{shell}": float(np.mean(levels)) / sigma if sigma else float("nan")
            for shell, levels in self._levels.items()
        }

    def result(self) -> tuple[Metrics, Curves]:
        """Return nothing; see `estimate` and `signal_to_noise`."""
        return {}, {}


def central_box(inside: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return a box of a few slices around the middle of a mask.

    Parameters
    ----------
    inside : numpy.ndarray
        (slices, a, b), bool.

    Returns
    -------
    tuple of slice
        Three; empty ones for an empty mask.
    """
    where = np.nonzero(inside)
    if not where[0].size:
        return tuple(slice(0, 0) for _ in range(3))
    starts = [
        min(max(int(np.median(axis)) - size // 2, 0), max(n - size, 0))
        for axis, size, n in zip(where, _BOX, inside.shape, strict=True)
    ]
    return tuple(slice(start, start + size) for start, size in zip(starts, _BOX, strict=True))
