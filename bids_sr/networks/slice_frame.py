"""Orientation and order of a scan's slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import field, frozen


def _unit_rows(value: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float64) / np.linalg.norm(value, axis=1, keepdims=True)


@frozen(eq=False)
class SliceFrame:
    """Orientation of the slices in the given arrays and in the frame of the gradients."""

    axes: np.ndarray = field(converter=_unit_rows)
    """Unit vectors along rows, along columns and across slices, (3, 3), in the frame of the bvecs.
    "Along rows" means from one row of the slice to the next."""
    across: int
    """Array axis across the slices."""

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors of the `FRAME` channels, (5, 3)."""
        rows, columns, across = self.axes
        return _unit_rows(np.stack([rows, columns, rows + columns, rows - columns, across]))


def slice_frame(affine: np.ndarray, slice_axis: int, across: int | None = None) -> SliceFrame:
    """Return the slice orientation of a scan.

    FSL's bvecs follow the voxel axes, with the first one flipped where the image is stored
    right-handed (positive determinant).

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.
    slice_axis : int
        Voxel axis across the slices; the other two are rows and columns, in ascending order.
    across : int, optional
        Axis across the slices in the arrays to be processed; default `slice_axis`.

    Returns
    -------
    SliceFrame
    """
    voxel_axes = np.eye(3)
    voxel_axes[0, 0] = -1.0 if np.linalg.det(affine[:3, :3]) > 0 else 1.0
    order = [axis for axis in range(3) if axis != slice_axis] + [slice_axis]
    return SliceFrame(voxel_axes[order], slice_axis if across is None else across)


def turned_order(names: Sequence[str], quarter: int, *, flip: bool) -> list[int]:
    """Return, for each channel of a rotated slice, its position in the original slice.

    When a slice is rotated, what ran along its rows runs along its columns.

    Parameters
    ----------
    names : sequence of str
        Channel names.
    quarter : int
        Quarter turns (`numpy.rot90`), applied first.
    flip : bool
        Whether the columns are reversed afterwards.

    Returns
    -------
    list of int
        Positions in `names`; a channel whose counterpart is not read maps to itself.
    """
    pairs = []
    if quarter % 2:
        pairs.append(("tensor_rows", "tensor_columns"))
    if quarter % 2 != flip:
        pairs.append(("tensor_diagonal", "tensor_antidiagonal"))
    partner = {**dict(pairs), **{b: a for a, b in pairs}}
    wanted = [partner.get(name, name) for name in names]
    return [
        list(names).index(name if name in names else own)
        for name, own in zip(wanted, names, strict=True)
    ]
