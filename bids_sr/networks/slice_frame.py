"""The orientation of a scan's slices, and their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import field, frozen


def _unit_rows(value: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float64) / np.linalg.norm(value, axis=1, keepdims=True)


@frozen(eq=False)
class SliceFrame:
    """The orientation of slices in the given arrays, and in the frame of the gradients."""

    axes: np.ndarray = field(converter=_unit_rows)
    """Unit vectors along rows, along columns and across slices, (3, 3), in the frame of
    the bvecs. Along rows means: from one row of the slice to the next."""
    across: int
    """Axis of the arrays across the slices."""

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors of the channels `FRAME`, (5, 3)."""
        rows, columns, across = self.axes
        return _unit_rows(np.stack([rows, columns, rows + columns, rows - columns, across]))


def slice_frame(affine: np.ndarray, slice_axis: int, across: int | None = None) -> SliceFrame:
    """Return the frame of a scan's slices.

    FSL's bvecs run along the voxel axes, the first flipped where the image is
    stored right-handed (positive determinant).

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.
    slice_axis : int
        Voxel axis across the slices; the others are rows and columns, ascending.
    across : int, optional
        Axis across the slices in the arrays that will be given; default `slice_axis`.

    Returns
    -------
    SliceFrame
    """
    voxel_axes = np.eye(3)
    voxel_axes[0, 0] = -1.0 if np.linalg.det(affine[:3, :3]) > 0 else 1.0
    order = [axis for axis in range(3) if axis != slice_axis] + [slice_axis]
    return SliceFrame(voxel_axes[order], slice_axis if across is None else across)


def turned_order(names: Sequence[str], quarter: int, *, flip: bool) -> list[int]:
    """Return where each channel of a turned slice is found in the upright one.

    When a slice is turned, what was along its rows is along its columns.

    Parameters
    ----------
    names : sequence of str
        Channels.
    quarter : int
        Quarter turns (`numpy.rot90`), made first.
    flip : bool
        Whether the columns are reversed afterwards.

    Returns
    -------
    list of int
        Positions in `names`; a channel whose counterpart is not read stands for itself.
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
