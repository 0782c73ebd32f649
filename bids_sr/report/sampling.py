"""Which slices, crop and volumes of a scan are shown."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, uniform_filter

from bids_sr.bids.gradients import GradientTable

_BRAIN_SHARES = (0.3, 0.5, 0.7)
_MARGIN = 0.04
ZOOM_MM = 52.0
"""Side of the magnified region."""


@frozen
class Box:
    """A rectangle of acquired voxels within a slice (a, b)."""

    a: tuple[int, int]
    """First voxel and one past the last, along a."""
    b: tuple[int, int]
    """The same along b."""

    def cut(self, slices: NDArray[np.float32], factor: int = 1) -> NDArray[np.float32]:
        """Crop slices to the region.

        Parameters
        ----------
        slices : numpy.ndarray
            (n, a, b) or (n, a, b, channels).
        factor : int
            1 on the acquired grid, the in-plane factor on the output's.

        Returns
        -------
        numpy.ndarray
            A view.
        """
        a, b = (slice(start * factor, end * factor) for start, end in (self.a, self.b))
        return slices[:, a, b]


@frozen
class Sample:
    """The slices and crop shared by all pictures of a run."""

    slices: tuple[int, ...]
    """Slice numbers, ascending."""
    box: Box
    """The brain with a margin, the same for every slice."""
    factor: int
    """In-plane factor."""


@frozen
class Contrast:
    """A volume that represents its shell."""

    name: str
    """For file names: ``b0``, ``b1000``."""
    title: str
    """For display: ``b = 1000 s/mm²``."""
    volume: int
    """Volume number."""
    n_alike: int
    """Number of volumes with this b-value."""


def choose_sample(mask: NDArray[np.bool_], factor: int) -> Sample:
    """Choose slices and the crop from a brain mask.

    The slices have 30, 50 and 70 % of the brain below them, so that they differ
    even where only part of the head was scanned.

    Parameters
    ----------
    mask : numpy.ndarray
        (n_slices, f a, f b) on the output grid. If it is empty, the whole field
        of view counts.
    factor : int
        In-plane factor.

    Returns
    -------
    Sample
    """
    brain = mask if mask.any() else np.ones_like(mask)
    below = np.cumsum(brain.sum(axis=(1, 2), dtype=np.int64))
    chosen = {int(np.searchsorted(below, share * below[-1])) for share in _BRAIN_SHARES}
    a, b = (_extent(np.any(brain, axis=others), factor) for others in ((0, 2), (0, 1)))
    return Sample(tuple(sorted(chosen)), Box(a, b), factor)


def choose_contrasts(gradients: GradientTable) -> list[Contrast]:
    """Choose the first b = 0 volume and, of each shell, the one in the middle of its list."""
    chosen = []
    b0 = np.flatnonzero(gradients.is_b0)
    if b0.size:
        chosen.append(Contrast("b0", "b = 0", int(b0[0]), int(b0.size)))
    for shell in gradients.shells:
        middle = int(shell.indices[len(shell.indices) // 2])
        name = f"b{shell.bval:.0f}"
        title = f"b = {shell.bval:.0f} s/mm²"
        chosen.append(Contrast(name, title, middle, len(shell.indices)))
    return chosen


def choose_detail(
    picture: NDArray[np.float32],
    brain: NDArray[np.bool_],
    spacing: tuple[float, float],
    sides_mm: tuple[float, float] = (ZOOM_MM, ZOOM_MM),
) -> Box:
    """Choose the region to magnify: where the acquired slice has most edges.

    Only the acquired voxels decide, so the choice does not depend on the network.

    Parameters
    ----------
    picture : numpy.ndarray
        (a, b) acquired slice.
    brain : numpy.ndarray
        (a, b), the mask on the acquired grid.
    spacing : tuple of float
        Voxel size along a and b, mm.
    sides_mm : tuple of float
        Size of the region along a and b, mm.

    Returns
    -------
    Box
    """
    sides = tuple(
        min(n, max(8, round(side / mm)))
        for n, side, mm in zip(picture.shape, sides_mm, spacing, strict=True)
    )
    edges = np.hypot(*np.gradient(picture.astype(np.float64)))
    inner = binary_erosion(
        brain, iterations=2
    )  # otherwise the rim of the brain would always be chosen
    if not inner.any():
        inner = np.ones_like(brain)
    richness = uniform_filter(np.where(inner, edges, 0.0), sides, mode="constant")
    centre = np.unravel_index(int(np.argmax(richness)), richness.shape)
    spans = []
    for middle, side, n in zip(centre, sides, picture.shape, strict=True):
        start = min(max(0, int(middle) - side // 2), n - side)
        spans.append((start, start + side))
    return Box(spans[0], spans[1])


def _extent(present: NDArray[np.bool_], factor: int) -> tuple[int, int]:
    """Return the first and one past the last of `present` with a margin, in acquired voxels."""
    inside = np.flatnonzero(present)
    n = present.size // factor
    margin = max(1, round(_MARGIN * n))
    return (
        max(0, int(inside[0]) // factor - margin),
        min(n, int(inside[-1]) // factor + 1 + margin),
    )
