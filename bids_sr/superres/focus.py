"""Where in the slices the head is: only there the network has anything to add."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

_GROUP = 8
"""Slices that share a box: they go through the network together."""
_GUARD = 2
"""Pixels around the head in which the network counts in full: it moves a little."""
_TAPER = 4
"""Pixels beyond, in which what the network adds fades out."""
_UNIT = 8
"""Boxes begin and end at multiples of this, so that a UNet halves the same pixels together as in
the whole slice: its output would be another one otherwise, though no worse."""
_SHARE = 0.7
"""Share of Otsu's threshold: the scalp and dim tissue are part of the head."""
_SPECK = 16
"""Smallest number of pixels of a slice that are a head."""
_WHOLE = 0.85
"""Share of the slices' area from which on looking for the head is not worth it."""


@frozen
class Box:
    """A block of neighbouring slices and the rectangle of them that the network sees."""

    slices: slice
    """Which slices."""
    rows: slice
    """Low-resolution pixels along a."""
    columns: slice
    """Low-resolution pixels along b."""
    weight: NDArray[np.float32] | None = field(default=None, eq=False, repr=False)
    """(f rows, f columns): what the network adds is multiplied by it; None: by one."""

    @property
    def pixels(self) -> int:
        """Low-resolution pixels in it, over all its slices."""
        sides = (part.stop - part.start for part in (self.slices, self.rows, self.columns))
        return math.prod(sides)

    def fine(self, factor: int) -> tuple[slice, slice]:
        """Return `rows` and `columns` on the high-resolution grid."""
        first, second = (
            slice(part.start * factor, part.stop * factor) for part in (self.rows, self.columns)
        )
        return first, second


def whole(shape: tuple[int, int, int]) -> tuple[Box, ...]:
    """Return one box of everything in a stack of (slices, a, b)."""
    return (Box(slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])),)


def find_head(means: Sequence[NDArray[np.float32]], factor: int) -> tuple[Box, ...]:
    """Find the boxes that hold the head, with room around it.

    What is not in a box is interpolated: air, in which a network that was trained on
    heads can add nothing but a texture of its own. At the rim of a box what the
    network adds fades out, so that no edge is seen.

    Parameters
    ----------
    means : sequence of numpy.ndarray
        (slices, a, b) each: means over b0s, over a shell. The head is where any of
        them is bright, by Otsu's threshold of its square root.
    factor : int
        In-plane factor.

    Returns
    -------
    tuple of Box
        In the order of the slices; slices without a head are in none. One box of
        everything where the head fills most of the slices, or cannot be told from air.
    """
    shape = means[0].shape
    heads = [head for mean in means if (head := _foreground(mean)) is not None]
    found = np.logical_or.reduce(heads or [np.ones(shape, bool)])
    boxes = []
    for start in range(0, shape[0], _GROUP):
        stop = min(start + _GROUP, shape[0])
        held = [k for k in range(start, stop) if found[k].sum() >= _SPECK]
        if held:
            block = slice(held[0], held[-1] + 1)
            boxes.append(_box(found[block].any(axis=0), block, factor))
    area = sum(box.pixels for box in boxes)
    if not boxes or area > _WHOLE * found.size:
        return whole((shape[0], shape[1], shape[2]))
    return tuple(boxes)


def _foreground(mean: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    root = np.sqrt(np.maximum(gaussian_filter(mean.astype(np.float32), (0, 1, 1)), 0))
    if not np.isfinite(root).all() or root.max() <= root.min():
        return None
    return np.asarray(root > _SHARE * threshold_otsu(root.reshape(len(root), -1)))


def _box(head: NDArray[np.bool_], slices: slice, factor: int) -> Box:
    spans, weights = [], []
    for axis in (0, 1):
        where = np.flatnonzero(head.any(axis=1 - axis))
        size = head.shape[axis]
        first, last = int(where[0]) - _GUARD, int(where[-1]) + 1 + _GUARD
        start, stop = _round(first - _TAPER, last + _TAPER, size)
        spans.append(slice(start, stop))
        weights.append(_ramp(start, stop, size, factor))
    return Box(slices, spans[0], spans[1], np.outer(*weights).astype(np.float32))


def _round(start: int, stop: int, size: int) -> tuple[int, int]:
    """Widen a span to multiples of the unit, within the slice."""
    return max(start, 0) // _UNIT * _UNIT, min(-(-stop // _UNIT) * _UNIT, size)


def _ramp(start: int, stop: int, size: int, factor: int) -> NDArray[np.float64]:
    """Return one within the span and a raised cosine at its ends, but not at the slice's own."""
    count, width = (stop - start) * factor, _TAPER * factor
    rise = np.sin(0.5 * np.pi * (np.arange(width) + 0.5) / width) ** 2
    ramp = np.ones(count)
    if start > 0:
        ramp[:width] = rise[:count]
    if stop < size:
        ramp[-width:] *= rise[::-1][-count:]
    return ramp
