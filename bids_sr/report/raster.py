"""From numbers to picture elements, without smoothing: each voxel stays a rectangle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_sr.report.plotting import LinearSegmentedColormap

Rgb = NDArray[np.uint8]
"""(row, column, 3)."""

_CHANGE = LinearSegmentedColormap.from_list(
    "change", ["#c6e6ff", "#3f93d6", "#15395a", "#000000", "#5c2a10", "#dd7a2a", "#ffe0b0"]
)
"""Blue below, orange above, black at zero: the ground of the pictures."""

_NICE = (1.0, 2.0, 5.0, 10.0)


def window_top(slices: NDArray[np.float32], brain: NDArray[np.bool_]) -> float:
    """Return the value shown as white: the 99.5th percentile within the brain.

    Parameters
    ----------
    slices : numpy.ndarray
        (n, a, b).
    brain : numpy.ndarray
        (n, a, b); if empty, all values count.

    Returns
    -------
    float
        Positive, 1.0 for an image without signal.
    """
    values = slices[brain] if brain.any() else slices
    top = float(np.percentile(values, 99.5))
    return top if top > 0 else 1.0


def gray(picture: NDArray[np.floating], top: float) -> Rgb:
    """Show 0 as black and `top` as white, linearly; beyond, values are clipped."""
    level = np.clip(np.nan_to_num(picture) / top, 0, 1)
    shade = np.round(255 * level).astype(np.uint8)
    return np.repeat(shade[..., None], 3, axis=-1)


def color(picture: NDArray[np.floating]) -> Rgb:
    """Show (row, column, 3) values from 0 to 1 as red, green and blue."""
    return np.round(255 * np.clip(np.nan_to_num(picture), 0, 1)).astype(np.uint8)


def change(picture: NDArray[np.floating], limit: float) -> Rgb:
    """Show a signed difference: blue at ``-limit``, black at 0, orange at ``+limit``."""
    level = np.clip(np.nan_to_num(picture) / (2 * limit) + 0.5, 0, 1)
    return np.round(255 * _CHANGE(level)[..., :3]).astype(np.uint8)


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
    """Bring a picture to another size by nearest neighbour.

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


def change_bar(height: int, width: int) -> Rgb:
    """Return the colour bar of `change`, highest value on top."""
    ramp = np.linspace(1.0, -1.0, height)[:, None]
    return change(np.repeat(ramp, width, axis=1), 1.0)
