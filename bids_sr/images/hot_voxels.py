"""Voxels far brighter than their surroundings: hot pixels, saturated lines and slices."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.images.grid import to_slices

_PERCENTILE = 99.0
_QUARTILE = 75.0
"""Bright tissue: the first percentile within a slice, then the second over the slices. A line, or a
fifth of the slices, of arbitrary brightness does not change it."""
_CANDIDATE = 2.0
"""Voxels below this multiple of bright tissue are normal."""
_AROUND = 5.0
"""Largest ratio to the upper quartile of the surroundings that occurs in anatomy. Of all candidates
in the 18 series of ``dwi-open``, apart from a saturated line, 14 exceed it, all in one noisy
scan."""
_BEYOND = 20.0
"""Multiple of bright tissue that no tissue reaches, whatever its surroundings; 11.4 was seen next
to a coil."""
_JOINT = 0.25
"""Fraction of connected candidates that must be hot for all of them to count as hot: so a line is
hot where it crosses fluid, too."""
_REACH = 2
"""Surroundings are 5 x 5 x 5 voxels, of which a slice is a fifth, and a line a 25th."""
_AT_ONCE = 20_000
"""Candidates whose surroundings are held in memory at once."""


@frozen(eq=False)
class HotVoxels:
    """The hot voxels of one volume, and values to replace them."""

    bright: float
    """Signal of bright tissue, in units of the volume; 0 if there is none."""
    slice_axis: int
    """Axis across the slices."""
    places: tuple[NDArray[np.intp], ...]
    """Slice, row and column of each hot voxel, an index into the stack of slices."""
    values: NDArray[np.float32]
    """Median of the surroundings of each, at most `bright`."""

    @property
    def count(self) -> int:
        """Number of hot voxels."""
        return self.values.size

    def taken_out(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a volume with the hot voxels replaced by their surroundings.

        Parameters
        ----------
        volume : numpy.ndarray
            (x, y, z), in which they were found. Not changed.

        Returns
        -------
        numpy.ndarray
            The volume itself if there are none, else a copy.
        """
        if not self.count:
            return volume
        copy = volume.copy()
        to_slices(copy, self.slice_axis)[self.places] = self.values
        return copy


def find_hot_voxels(volume: NDArray[np.float32], slice_axis: int) -> HotVoxels:
    """Find the voxels of a volume that are far brighter than bright tissue and their surroundings.

    A voxel is hot when it is more than twice as bright as bright tissue and more
    than five times as bright as the upper quartile of the 5 x 5 x 5 voxels around
    it (at the edge the nearest such block), or more than 20 times as bright as
    bright tissue. Voxels more than twice as bright that touch hot ones are hot, too, if a quarter
    of such a group is. Fluid, vessels and fat are bright over several voxels and are left alone.

    Parameters
    ----------
    volume : numpy.ndarray
        (x, y, z), finite, any unit. Not changed.
    slice_axis : int
        Axis across the slices, 0 to 2.

    Returns
    -------
    HotVoxels
    """
    slices = to_slices(volume, slice_axis)
    bright = _bright(slices)
    places = np.nonzero(slices > _CANDIDATE * bright) if bright > 0 else (np.zeros(0, int),) * 3
    candidates = slices[places]
    middle, upper = _around(slices, np.stack(places, axis=1))
    hot = (candidates > _AROUND * upper) | (candidates > _BEYOND * bright)
    if hot.any():
        hot |= _joint(slices.shape, places, hot)
    values = np.minimum(middle[hot], np.float32(bright))
    return HotVoxels(bright, slice_axis, tuple(axis[hot] for axis in places), values)


def _bright(slices: NDArray[np.float32]) -> float:
    levels = np.percentile(slices[:, ::2, ::2].reshape(len(slices), -1), _PERCENTILE, axis=1)
    levels = levels[levels > 0]
    return float(np.percentile(levels, _QUARTILE)) if levels.size else 0.0


def _joint(
    shape: tuple[int, ...], places: tuple[NDArray[np.intp], ...], hot: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which candidates belong to groups of which enough are hot."""
    from scipy.ndimage import label

    mask = np.zeros(shape, bool)
    mask[places] = True
    group = label(mask, np.ones((3, 3, 3), bool))[0][places]
    share = np.bincount(group, weights=hot) / np.maximum(np.bincount(group), 1)
    found: NDArray[np.bool_] = share[group] >= _JOINT
    return found


def _around(
    slices: NDArray[np.float32], places: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return median and upper quartile of the block around each voxel (n, 3)."""
    side = np.arange(-_REACH, _REACH + 1)
    steps = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
    last = np.array(slices.shape) - 1
    centres = np.clip(places, np.minimum(_REACH, last), np.maximum(last - _REACH, 0))
    ranks = (len(steps) // 2, 3 * len(steps) // 4)
    found = np.empty((2, len(places)), np.float32)
    for start in range(0, len(places), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        inside = np.clip(centres[part, None] + steps, 0, last)
        block = np.partition(slices[tuple(np.moveaxis(inside, -1, 0))], ranks, axis=1)
        found[:, part] = block[:, ranks].T
    return found[0], found[1]
