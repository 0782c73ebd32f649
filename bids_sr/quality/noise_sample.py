"""What the noise is estimated from: a box of brain, and background, of the input's volumes."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from bids_sr.quality.noise import Noise, estimate_noise
from bids_sr.quality.scene import Curves, Figures, Scene, View, spread_evenly

_BOX = (7, 40, 40)
"""Slices, rows and columns about the middle of the brain."""
_MAX_VOLUMES = 60
"""Volumes that go into it."""
_RIM = 4
"""Pixels about the brain that are no background: skull, fat, and what the mask missed."""
_BACKGROUND = 3000
"""Background voxels."""


class NoiseSample:
    """Gathers the sample, and the brain's signal of each shell.

    Parameters
    ----------
    scene : Scene
        The series.
    """

    def __init__(self, scene: Scene) -> None:
        everything = np.arange(scene.gradients.n_volumes)
        self._wanted = set(spread_evenly(everything, _MAX_VOLUMES).tolist())
        self._inside = scene.inside
        self._box = central_box(scene.inside)
        grown = binary_dilation(scene.inside, np.ones((1, 3, 3), bool), iterations=_RIM)
        has_brain = scene.inside.any(axis=(1, 2), keepdims=True)
        self._background = spread_evenly(np.flatnonzero(~grown & has_brain), _BACKGROUND)
        self._boxes: dict[int, NDArray[np.float32]] = {}
        self._air: dict[int, NDArray[np.float32]] = {}
        self._levels: dict[str, list[float]] = defaultdict(list)

    def add(self, view: View) -> None:
        """Take what is needed of a volume."""
        brain = view.measured[self._inside]
        if brain.size:
            self._levels[view.shell].append(float(np.median(brain)))
        if view.index in self._wanted:
            self._boxes[view.index] = view.measured[self._box].copy()
            self._air[view.index] = view.measured.ravel()[self._background]

    def estimate(self) -> Noise:
        """Return the noise of the input."""
        order = sorted(self._boxes)
        box = np.stack([self._boxes[i] for i in order], axis=-1)
        air = np.stack([self._air[i] for i in order], axis=-1)
        return estimate_noise(box, self._inside[self._box], air)

    def signal_to_noise(self, sigma: float | None) -> Figures:
        """Return ``snr_<shell>``: the brain's median signal in one volume over sigma."""
        return {
            f"snr_{shell}": float(np.mean(levels)) / sigma if sigma else float("nan")
            for shell, levels in self._levels.items()
        }

    def result(self) -> tuple[Figures, Curves]:
        """Return nothing: what is asked for, `estimate` and `signal_to_noise` give."""
        return {}, {}


def central_box(inside: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return a box of a few slices about the middle of a mask.

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
