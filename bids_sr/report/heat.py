"""Heat maps: a small picture in an SVG, with its values for pointer and keyboard."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from bids_sr.report.plotting import colormaps
from bids_sr.report.svg import Element, add, drawing, markup

_LEFT, _TOP, _BOTTOM, _BAR = 46.0, 10.0, 40.0, 74.0
_HIGHEST = 280.0
"""Greatest height of a map, units; with more rows, cells get flatter."""
_BLANK = (127, 127, 127, 40)


@frozen
class Cells:
    """The content and labels of a map."""

    title: str
    """For screen readers."""
    values: NDArray[np.float64]
    """(rows, columns); NaN where there is nothing."""
    row: str
    """What a row is: ``volume``."""
    column: str
    """What a column is: ``slice``."""
    unit: str = ""
    """Of the values."""
    signed: bool = False
    """Whether zero is the middle of the colour scale."""
    limit: float | None = None
    """End of the colour scale; by default from the values."""

    @property
    def top(self) -> float:
        """Value at the end of the colour scale, positive."""
        if self.limit:
            return self.limit
        known = np.abs(self.values[np.isfinite(self.values)])
        return float(known.max()) if known.size and known.max() > 0 else 1.0


def heat_map(
    cells: Cells,
    *,
    width: float = 760.0,
    outlined: Sequence[tuple[int, int, str]] = (),
    bare: bool = False,
) -> Markup:
    """Draw a map of cells.

    Its values are embedded as JSON, so that the page's script can read out
    the cell under the pointer; without the script the colours remain.

    Parameters
    ----------
    cells : Cells
    width : float
        Of the drawing, units.
    outlined : sequence of (int, int, str)
        Row, column and reason of cells to outline; cells outside the map are
        left out.
    bare : bool
        Without axes and colour bar, square.

    Returns
    -------
    markupsafe.Markup
    """
    rows, columns = cells.values.shape
    left, top, bottom, bar = (2.0, 2.0, 2.0, 2.0) if bare else (_LEFT, _TOP, _BOTTOM, _BAR)
    wide = width - left - bar
    high = wide if bare else min(_HIGHEST, max(120.0, wide * rows / columns, 9.0 * rows))
    svg = drawing(
        width, top + high + bottom, cells.title, _told(cells), klass="heat", tabindex="0",
        data_values=_json(cells.values), data_row=cells.row, data_column=cells.column,
        data_unit=cells.unit, data_box=json.dumps([left, top, wide, high]),
    )  # fmt: skip
    svg.remove(svg[0])  # its title would cover the cells as a tooltip; the label stays
    href = _picture(cells)
    add(svg, "image", href=href, x=left, y=top, width=wide, height=high, preserveAspectRatio="none")
    add(svg, "rect", klass="frame", x=left, y=top, width=wide, height=high)
    for r, c, reason in outlined:
        if 0 <= r < rows and 0 <= c < columns:
            box = _box(r, c, cells.values.shape, (left, top, wide, high))
            add(add(svg, "rect", klass="outlined", **box), "title", reason)
    add(svg, "rect", klass="cursor", x=0.0, y=0.0, width=0.0, height=0.0)
    if not bare:
        _axes(svg, cells, (left, top, wide, high))
        _colour_bar(svg, cells, (left + wide + 16, top, high))
    return markup(svg)


def _told(cells: Cells) -> str:
    rows, columns = cells.values.shape
    known = cells.values[np.isfinite(cells.values)]
    if not known.size:
        return f"{rows} x {columns} cells without a value"
    place = np.unravel_index(int(np.nanargmax(np.abs(cells.values))), cells.values.shape)
    largest = cells.values[place]
    return (
        f"{rows} {cells.row}s by {columns} {cells.column}s. Median {np.median(known):.3g} "
        f"{cells.unit}; largest {largest:.3g} {cells.unit} in {cells.row} {place[0]}, "
        f"{cells.column} {place[1]}"
    )


def _box(
    row: int, column: int, shape: tuple[int, ...], box: tuple[float, float, float, float]
) -> dict[str, Any]:
    left, top, wide, high = box
    width, height = wide / shape[1], high / shape[0]
    grow = 2.0
    return {
        "x": left + column * width - grow,
        "y": top + row * height - grow,
        "width": width + 2 * grow,
        "height": height + 2 * grow,
    }


def _picture(cells: Cells) -> str:
    """Return one pixel per cell as a data URL."""
    values = cells.values
    if cells.signed:
        colours = colormaps["PuOr_r"](np.clip(values / (2 * cells.top) + 0.5, 0, 1))
    else:
        colours = colormaps["cividis"](np.clip(values / cells.top, 0, 1))
    rgba = np.round(255 * colours).astype(np.uint8)
    rgba[~np.isfinite(values)] = _BLANK
    return _data_address(rgba)


def _data_address(rgba: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _axes(svg: Element, cells: Cells, box: tuple[float, float, float, float]) -> None:
    left, top, wide, high = box
    rows, columns = cells.values.shape
    for tick in _ticks(columns, 12):
        x = left + (tick + 0.5) * wide / columns
        add(svg, "text", str(tick), klass="tick middle", x=x, y=top + high + 16)
    for tick in _ticks(rows, 8):
        y = top + (tick + 0.5) * high / rows
        add(svg, "text", str(tick), klass="tick end", x=left - 6, y=y + 4)
    add(svg, "text", cells.column, klass="name middle", x=left + wide / 2, y=top + high + 35)
    y = top + high / 2
    turned = f"rotate(-90 12 {y:.1f})"
    add(svg, "text", cells.row, klass="name middle", x=12.0, y=y, transform=turned)


def _ticks(count: int, wanted: int) -> list[int]:
    """Return about `wanted` round numbers from 0 to below `count`."""
    rough = max(1.0, count / wanted)
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return list(range(0, count, int(step)))


def _colour_bar(svg: Element, cells: Cells, place: tuple[float, float, float]) -> None:
    x, top, high = place
    low = -cells.top if cells.signed else 0.0
    ramp = Cells("", np.linspace(cells.top, low, 64)[:, None], "", "", "", cells.signed, cells.top)
    bar = _picture(ramp)
    add(svg, "image", href=bar, x=x, y=top, width=12.0, height=high, preserveAspectRatio="none")
    middle = (cells.top + low) / 2
    for value, y in ((cells.top, top + 10), (middle, top + high / 2 + 4), (low, top + high)):
        text = f"{value:.2g} {cells.unit}".strip()
        add(svg, "text", text, klass="tick", x=x + 17, y=y)


def _json(values: NDArray[np.float64]) -> str:
    rows = [[float(f"{v:.3g}") if np.isfinite(v) else None for v in row] for row in values]
    return json.dumps(rows, separators=(",", ":"))
