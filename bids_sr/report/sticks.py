"""Main directions as lines on a picture: colours alone do not show a wrong sign."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bids_sr.report.orientation import SliceView
from bids_sr.report.raster import Rgb, enlarge

Floats = NDArray[np.floating[Any]]

_LENGTH = 0.9
"""Length of a line, as a share of the shorter side of a voxel."""


def in_picture(lines: Floats, view: SliceView) -> tuple[Floats, Floats]:
    """Convert directions in a slice to directions in its picture.

    Parameters
    ----------
    lines : numpy.ndarray
        (a, b, 2), along the in-plane voxel axes; zero where no line is wanted.
    view : SliceView
        Orientation of the slice in the picture.

    Returns
    -------
    right, down : numpy.ndarray
        (row, column), components to the right and downwards.
    """
    turned = view.picture(lines)
    across, along = (0, 1) if view.transpose else (1, 0)
    right = turned[..., across] * (-1 if view.flip_columns else 1)
    down = turned[..., along] * (-1 if view.flip_rows else 1)
    return right, down


def with_sticks(
    shades: Rgb,
    right: Floats,
    down: Floats,
    spacing: tuple[float, float],
    size: tuple[int, int],
) -> Rgb:
    """Enlarge a picture and draw a line in each voxel.

    Parameters
    ----------
    shades : numpy.ndarray
        (row, column, 3).
    right, down : numpy.ndarray
        (row, column), of `in_picture`; lengths are those of V1 in the plane.
    spacing : tuple of float
        Height and width of a voxel, mm.
    size : tuple of int
        Rows and columns of the result.

    Returns
    -------
    numpy.ndarray
        (rows, columns, 3).
    """
    high, wide = (pixels / count for pixels, count in zip(size, shades.shape[:2], strict=True))
    image = Image.fromarray(enlarge(shades, *size))
    pen = ImageDraw.Draw(image)
    half = 0.5 * _LENGTH * min(spacing) * high / spacing[0]
    thick = 2 if min(high, wide) > 9 else 1
    for row, column in np.argwhere(right**2 + down**2 > 0):
        y, x = (row + 0.5) * high, (column + 0.5) * wide
        dx, dy = half * float(right[row, column]), half * float(down[row, column])
        pen.line((x - dx, y - dy, x + dx, y + dy), fill=(255, 255, 255), width=thick)
    return np.asarray(image)
