"""Orientation of slices in pictures, in the neurological convention.

The patient's left is on the left of the picture, anterior and superior are up,
as in fMRIPrep's and MRIQC's reports; in sagittal slices anterior is on the
right. Oblique images are rotated by multiples of 90 degrees only, never resampled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "S": "I", "I": "S"}
# what the right and the upper edge should show, and which axis is preferred as vertical
_RIGHT = {"L": "R", "R": "R", "A": "A", "P": "A", "S": "S", "I": "S"}
_UPRIGHT_RANK = {"S": 2, "I": 2, "A": 1, "P": 1, "L": 0, "R": 0}


@frozen
class SliceView:
    """The transform from a slice (a, b), in-plane voxel axes ascending, to a picture."""

    transpose: bool
    """Whether axis b, not a, becomes the rows of the picture."""
    flip_rows: bool
    """Whether the rows run against their voxel axis."""
    flip_columns: bool
    """Whether the columns run against their voxel axis."""
    spacing: tuple[float, float]
    """Height and width of a pixel, mm."""
    left: str
    """Letter at the left edge; likewise for the other edges."""
    right: str
    top: str
    bottom: str

    def picture(self, slice_: NDArray[Any]) -> NDArray[Any]:
        """Return a slice (a, b, ...) as a picture (row, column, ...), rows from the top; a view."""
        turned = np.swapaxes(slice_, 0, 1) if self.transpose else slice_
        rows = slice(None, None, -1 if self.flip_rows else 1)
        columns = slice(None, None, -1 if self.flip_columns else 1)
        return turned[rows, columns]


def slice_view(affine: NDArray[np.float64], slice_axis: int) -> SliceView:
    """Choose the view of slices across `slice_axis`.

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.
    slice_axis : int
        0 to 2.

    Returns
    -------
    SliceView

    Examples
    --------
    >>> view = slice_view(np.diag([-2.0, 2, 2, 1]), 2)
    >>> view.left, view.right, view.top, view.bottom
    ('L', 'R', 'A', 'P')
    """
    in_plane = [axis for axis in range(3) if axis != slice_axis]
    codes = aff2axcodes(affine)  # the letter towards which each voxel axis runs
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    vertical = max(in_plane, key=lambda axis: _UPRIGHT_RANK[codes[axis]])
    horizontal = next(axis for axis in in_plane if axis != vertical)
    top, right = _RIGHT[codes[vertical]], _RIGHT[codes[horizontal]]
    return SliceView(
        transpose=vertical != in_plane[0],
        flip_rows=codes[vertical] == top,  # the first row is the top edge
        flip_columns=codes[horizontal] != right,
        spacing=(float(sizes[vertical]), float(sizes[horizontal])),
        left=_OPPOSITE[right],
        right=right,
        top=top,
        bottom=_OPPOSITE[top],
    )
