"""Rows of pictures on black, with letters at the edges, as a PNG file.

Matplotlib draws the letters; the pictures are placed pixel by pixel, so that two files
with the same layout coincide exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray
from PIL import Image

from bids_sr.bids.atomic import atomic_path
from bids_sr.report.plotting import Figure, FigureCanvasAgg
from bids_sr.report.raster import Rgb, direction_disc, enlarge, gray_bar

_DPI = 100
_COMPRESSION = 6
"""zlib's level: the highest would save 2 % but take five times as long."""
_GAP = 14
_HEAD = 42
_BAR = (20, 116)  # width of the colour bar; space for it and its numbers
_SOFT, _BRIGHT = "#b9b9b9", "#ffffff"
_LETTER_SIZE, _TITLE_SIZE = 23, 20


@frozen
class Panel:
    """One picture of a row."""

    picture: Rgb
    """(row, column, 3)."""
    title: str = ""
    """Printed above it."""
    letters: tuple[str, str, str, str] = ("", "", "", "")
    """Letters at the left, right, top and bottom edge."""


@frozen(eq=False)
class Key:
    """Colour key of a figure: a bar or a disc of colours, with labels."""

    picture: Rgb
    """(row, column, 3): stretched to the height of the figure if `is_bar`."""
    texts: tuple[tuple[str, str], ...]
    """Labels and their colour: next to a bar from top to bottom, else below the picture."""
    is_bar: bool = True


def gray_key(top: str, unit: str = "") -> Key:
    """Return the key of a grey scale from 0, black, to `top`, white."""
    return Key(gray_bar(256, 1), ((f"{top}{unit}", _SOFT), ("0", _SOFT)))


def direction_key(across: int, up: int) -> Key:
    """Return the key of direction colours; see `direction_disc`."""
    words = (("left-right", "#ff6a6a"), ("front-back", "#5fe05f"), ("up-down", "#8c9dff"))
    return Key(direction_disc(72, across, up), words, is_bar=False)


@frozen
class Layout:
    """Sizes shared by all panels of a figure."""

    panel: tuple[int, int]
    """Height and width of a panel in the file, pixels."""
    key: Key | None = field(default=None)
    """Colour key, on the right."""
    text: float = 1.0
    """Size of letters, and of the space for them, relative to the usual."""

    @property
    def head(self) -> int:
        """Height of the line above a row, pixels."""
        return round(_HEAD * self.text)

    @property
    def margin(self) -> int:
        """Width of the space for the key, pixels."""
        return round(_BAR[1] * self.text) if self.key else 0


def panel_size(shape: tuple[int, int], spacing: tuple[float, float], width: int) -> tuple[int, int]:
    """Return height and width in the file of a panel about `width` wide.

    Square voxels become squares of a whole number of pixels.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the picture.
    spacing : tuple of float
        Height and width of a voxel, mm.
    width : int
        Wanted width.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> panel_size((120, 100), (1.0, 1.0), 380)
    (480, 400)
    """
    rows, columns = shape
    times = max(1, round(width / columns))
    tall = spacing[0] / spacing[1]
    if abs(tall - 1) < 0.01:
        return rows * times, columns * times
    return max(1, round(rows * times * tall)), columns * times


def draw(path: Path, rows: Sequence[Sequence[Panel]], layout: Layout) -> tuple[int, int]:
    """Write rows of panels to a PNG file.

    Parameters
    ----------
    path : pathlib.Path
        Written whole or not at all.
    rows : sequence of sequence of Panel
        As many panels in each row.
    layout : Layout

    Returns
    -------
    tuple of int
        Width and height of the file.
    """
    canvas, places = _compose(rows, layout)
    height, width = canvas.shape[:2]
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="none")
    for panel, (top, left) in places:
        _label(figure, panel, layout, top, left)
    if layout.key:
        _label_key(figure, layout.key, layout, width, height)
    agg = FigureCanvasAgg(figure)
    agg.draw()
    _lay_over(canvas, np.asarray(agg.buffer_rgba()))
    _save(path, canvas)
    return width, height


def panel_corners(layout: Layout, rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """Return the positions of the panels: top and left edge, pixels, row by row."""
    high, wide = layout.panel
    return [
        [
            (r * (layout.head + high + _GAP) + layout.head, _GAP + c * (wide + _GAP))
            for c in range(columns)
        ]
        for r in range(rows)
    ]


def _compose(
    rows: Sequence[Sequence[Panel]], layout: Layout
) -> tuple[Rgb, list[tuple[Panel, tuple[int, int]]]]:
    high, wide = layout.panel
    columns = len(rows[0])
    height = len(rows) * (layout.head + high + _GAP)
    body = _GAP + columns * (wide + _GAP)
    width = body + layout.margin
    canvas = np.zeros((height, width, 3), np.uint8)
    places = []
    for row, corners in zip(rows, panel_corners(layout, len(rows), columns), strict=True):
        for panel, (top, left) in zip(row, corners, strict=True):
            canvas[top : top + high, left : left + wide] = enlarge(panel.picture, high, wide)
            places.append((panel, (top, left)))
    if layout.key:
        _place_key(canvas, layout.key, layout, body)
    return canvas, places


def _place_key(canvas: Rgb, key: Key, layout: Layout, left: int) -> None:
    top, bottom = _bar_span(len(canvas), layout)
    if key.is_bar:
        canvas[top:bottom, left : left + _BAR[0]] = enlarge(key.picture, bottom - top, _BAR[0])
        return
    rows, columns = min(len(key.picture), bottom - top), min(key.picture.shape[1], layout.margin)
    canvas[top : top + rows, left : left + columns] = key.picture[:rows, :columns]


def _lay_over(canvas: Rgb, letters: NDArray[np.uint8]) -> None:
    """Draw letters, (row, column, RGBA), on a picture, in place."""
    inked = letters[..., 3] > 0
    opacity = letters[inked, 3:] / 255
    mixed = canvas[inked] * (1 - opacity) + letters[inked, :3] * opacity
    canvas[inked] = np.round(mixed).astype(np.uint8)


def _bar_span(height: int, layout: Layout) -> tuple[int, int]:
    return layout.head + height // 10, height - _GAP - height // 10


def _label(figure: Figure, panel: Panel, layout: Layout, top: int, left: int) -> None:
    high, wide = layout.panel
    inset = 14 * layout.text
    if panel.title:
        size = _TITLE_SIZE * layout.text
        _text(figure, left, top - layout.head / 2, panel.title, _SOFT, size, ha="left")
    middle_row, middle_column = top + high / 2, left + wide / 2
    spots = (
        (left + inset, middle_row),
        (left + wide - inset, middle_row),
        (middle_column, top + inset),
        (middle_column, top + high - inset),
    )
    for letter, (x, y) in zip(panel.letters, spots, strict=True):
        if letter:
            _text(figure, x, y, letter, _BRIGHT, _LETTER_SIZE * layout.text, weight="bold")


def _label_key(figure: Figure, key: Key, layout: Layout, width: int, height: int) -> None:
    top, bottom = _bar_span(height, layout)
    left = width - layout.margin
    if key.is_bar:
        spots = list(np.linspace(top + 6, bottom - 6, len(key.texts)))
        left += _BAR[0] + 6
    else:
        under = top + len(key.picture)
        spots = [under + layout.text * (18 + 22 * n) for n in range(len(key.texts))]
    for (text, colour), y in zip(key.texts, spots, strict=True):
        _text(figure, left, float(y), text, colour, _TITLE_SIZE * layout.text, ha="left")


def _text(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    colour: str,
    size: float,
    ha: str = "center",
    weight: str = "normal",
) -> None:
    """Print `text` at a pixel position counted from the upper left."""
    width, height = (side * _DPI for side in figure.get_size_inches())
    # a dollar sign would start a formula
    figure.text(
        x / width,
        1 - y / height,
        text,
        color=colour,
        fontsize=size * 72 / _DPI,
        ha=ha,
        va="center",
        weight=weight,
        parse_math=False,
    )


def _save(path: Path, picture: Rgb) -> None:
    colourless = np.array_equal(picture[..., 0], picture[..., 1]) and np.array_equal(
        picture[..., 0], picture[..., 2]
    )
    image = Image.fromarray(picture[..., 0] if colourless else picture)
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG", compress_level=_COMPRESSION)
