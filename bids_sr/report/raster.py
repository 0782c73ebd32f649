"""From numbers to pixels, without smoothing: each voxel stays a rectangle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

Rgb = NDArray[np.uint8]
"""(row, column, 3)."""

OUTLINE = (255, 176, 0)
"""Colour of the outline of a brain mask."""

_NICE = (1.0, 2.0, 5.0, 10.0)


def window_top(slices: NDArray[np.float32], brain: NDArray[np.bool_]) -> float:
    """Return the value shown as white: the 99.5th percentile within the brain.

    Parameters
    ----------
    slices : numpy.ndarray
        (n, a, b).
    brain : numpy.ndarray
        (n, a, b); if empty, all values are used.

    Returns
    -------
    float
        Positive, 1.0 for an image without signal.
    """
    values = slices[brain] if brain.any() else slices
    top = float(np.percentile(values, 99.5))
    return top if top > 0 else 1.0


def gray(picture: NDArray[np.floating], top: float) -> Rgb:
    """Show 0 as black and `top` as white, linearly; values outside are clipped."""
    level = np.clip(np.nan_to_num(picture) / top, 0, 1)
    shade = np.round(255 * level).astype(np.uint8)
    return np.repeat(shade[..., None], 3, axis=-1)


def color(picture: NDArray[np.floating]) -> Rgb:
    """Show (row, column, 3) values from 0 to 1 as red, green and blue."""
    return np.round(255 * np.clip(np.nan_to_num(picture), 0, 1)).astype(np.uint8)


def nice_limit(value: float) -> float:
    """Return the next of ... 1, 2, 5, 10 ... at or above `value`.

    Examples
    --------
    >>> nice_limit(3.2)
    5.0
    >>> nice_limit(0.012)
    0.02
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in _NICE if step * power >= value * (1 - 1e-9)))


def enlarge(picture: Rgb, rows: int, columns: int) -> Rgb:
    """Resize a picture by nearest neighbour.

    Parameters
    ----------
    picture : numpy.ndarray
        (row, column, 3).
    rows, columns : int
        New size; a multiple of the old one gives voxels of exactly equal size.

    Returns
    -------
    numpy.ndarray
        (rows, columns, 3).
    """
    row = (np.arange(rows) + 0.5) * picture.shape[0] / rows
    column = (np.arange(columns) + 0.5) * picture.shape[1] / columns
    return picture[row.astype(int)][:, column.astype(int)]


def gray_bar(height: int, width: int) -> Rgb:
    """Return the colour bar of `gray`, highest value at the top."""
    return gray(np.repeat(np.linspace(1.0, 0.0, height)[:, None], width, axis=1), 1.0)


def direction_disc(size: int, across: int, up: int) -> Rgb:
    """Return the colours of directions in a plane as a disc, with those across it at the centre.

    Parameters
    ----------
    size : int
        Its diameter, pixels.
    across, up : int
        World axes (0: left-right, 1: front-back, 2: up-down) that run across and up the picture.

    Returns
    -------
    numpy.ndarray
        (size, size, 3), black outside the disc.
    """
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2 - 1
    radius = np.hypot(x, y)
    colours = np.zeros((size, size, 3))
    colours[..., across], colours[..., up] = np.abs(x), np.abs(y)
    colours[..., 3 - across - up] = np.sqrt(np.clip(1 - radius**2, 0, 1))
    return color(np.where(radius[..., None] <= 1, colours, 0))


def with_outline(picture: Rgb, mask: NDArray[np.bool_]) -> Rgb:
    """Return a picture with the inner rim of a mask of the same size drawn on it."""
    width = max(1, round(min(mask.shape) / 250))
    rim = mask & ~binary_erosion(mask, iterations=width, border_value=1)
    return np.where(rim[..., None], np.array(OUTLINE, np.uint8), picture)


def with_frame(picture: Rgb, rows: tuple[int, int], columns: tuple[int, int]) -> Rgb:
    """Return a picture with a thin white rectangle; rows and columns are (first, end)."""
    framed = picture.copy()
    (top, bottom), (left, right) = rows, columns
    for edge in (top, bottom - 2):
        framed[edge : edge + 2, left:right] = 255
    for edge in (left, right - 2):
        framed[top:bottom, edge : edge + 2] = 255
    return framed
