"""Read the curves of a run; damaged or missing parts are left out without an error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.quality.metric_spec import number
from bids_sr.quality.periods import ALL_PERIODS
from bids_sr.report.heat import Cells
from bids_sr.report.plots import Line, Mark

_MOST_CELLS = 200_000
"""Most cells of a map, to keep the page small."""


@frozen
class AxisSpectrum:
    """Spectrum of the input along one in-plane axis."""

    line: Line
    """log10 power over cycles/mm."""
    limit: float | None
    """Where the measured band ends, cycles/mm; None if all of it was measured."""


@frozen
class BadSlice:
    """A slice of the input that stands out."""

    volume: int
    """Volume number."""
    slice: int
    """Slice number."""
    text: str
    """What is wrong with it."""


@frozen
class Curves:
    """All curves of a run; unknown parts are empty."""

    dc_map: Cells | None = None
    """Residual against the input, volume by slice."""
    spectra: tuple[Line, ...] = ()
    """Radial spectra, interpolated and super-resolved."""
    acquired_limit: float | None = None
    """End of the acquired band, cycles/mm."""
    axes: tuple[AxisSpectrum, ...] = ()
    """Per-axis spectra of the input."""
    lattice: tuple[tuple[str, tuple[Cells, ...]], ...] = ()
    """``dwi`` and ``fa`` with the folded cells, by ascending period."""
    histograms: tuple[tuple[str, tuple[Line, ...]], ...] = ()
    """``fa`` and ``md`` with their histograms before and after."""
    bad_slices: tuple[BadSlice, ...] = ()
    """Slices of the input that stand out."""


def read_curves(path: Path) -> Curves:
    """Read ``..._desc-curves_dwi.json``.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Curves
        Without the parts that are missing or malformed.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Curves()
    if not isinstance(content, dict):
        return Curves()
    spectra = _mapping(content.get("spectra"))
    return Curves(
        dc_map=_dc_map(_mapping(content.get("dc_map"))),
        spectra=_lines(spectra, spectra.get("frequency"), ("interpolated", "super-resolved")),
        acquired_limit=number(spectra.get("acquired_limit")),
        axes=_axes(_mapping(content.get("axis_spectra"))),
        lattice=_lattice(_mapping(content.get("lattice"))),
        histograms=_histograms(_mapping(content.get("histograms"))),
        bad_slices=_bad_slices(content.get("bad_slices")),
    )


def band_marks(spectrum: AxisSpectrum) -> list[Mark]:
    """Return the mark at the end of the measured band, if it ends early."""
    return [] if spectrum.limit is None else [Mark(spectrum.limit, "end of the measured band")]


def _dc_map(part: Mapping[str, Any]) -> Cells | None:
    values = _table(part.get("values"))
    if values is None:
        return None
    unit = str(part.get("unit") or "%")
    known = values[np.isfinite(values)]
    top = float(np.percentile(np.abs(known), 99)) if known.size else 0.0
    title = "Residual against the input by volume and slice"
    # the largest cells may exceed the scale: they are outlined or listed, and others stay legible
    return Cells(title, values, "volume", "slice", unit, limit=top if top > 0 else None)


def _axes(part: Mapping[str, Any]) -> tuple[AxisSpectrum, ...]:
    read = []
    for axis in ("i", "j", "k"):
        one = _mapping(part.get(axis))
        for line in _lines(one, one.get("frequency"), ("power",)):
            band, top = number(one.get("band")), max(line.x)
            limit = band * top if band is not None and 0 < band < 0.995 else None
            read.append(AxisSpectrum(Line(f"axis {axis}", line.x, line.y), limit))
    return tuple(read)


def _lattice(part: Mapping[str, Any]) -> tuple[tuple[str, tuple[Cells, ...]], ...]:
    read = []
    for image in ("dwi", "fa"):
        tables = {
            period: table
            for period in ALL_PERIODS
            if (table := _table(_mapping(part.get(image)).get(str(period)))) is not None
            and table.shape == (period, period)
            and np.isfinite(table).any()
        }
        # a shift shared by all cells is not a pattern
        tables = {period: table - np.nanmean(table) for period, table in tables.items()}
        largest = [float(np.nanmax(np.abs(t))) for t in tables.values()]
        top = max([0.05, *largest])  # one scale for all periods; an image without a grid stays pale
        maps = tuple(
            Cells(f"Lattice of period {p}", t, "row", "column", "", signed=True, limit=top)
            for p, t in tables.items()
        )
        if maps:
            read.append((image, maps))
    return tuple(read)


def _histograms(part: Mapping[str, Any]) -> tuple[tuple[str, tuple[Line, ...]], ...]:
    read = []
    for name in ("fa", "md"):
        one = _mapping(part.get(name))
        edges = _series(one.get("edges"))
        if name == "md" and edges and max(edges) < 0.1:  # mm2/s: pages print 10^-3 mm2/s
            edges = [1000 * edge for edge in edges]
        pairs = ((key, _series(one.get(key))) for key in ("input", "sr"))
        labels = {"input": "input", "sr": "super-resolved"}
        lines = tuple(
            Line(labels[key], edges, values, steps=True)
            for key, values in pairs
            if len(values) > 1 and len(edges) == len(values) + 1
        )
        if lines:
            read.append((name, lines))
    return tuple(read)


def _bad_slices(part: Any) -> tuple[BadSlice, ...]:
    items = [_mapping(item) for item in part] if isinstance(part, list) else []
    places = [(number(i.get("volume")), number(i.get("slice")), i.get("text")) for i in items]
    return tuple(
        BadSlice(int(volume), int(slice_), str(text or ""))
        for volume, slice_, text in places
        if volume is not None and slice_ is not None
    )


def _lines(part: Mapping[str, Any], frequency: Any, names: Sequence[str]) -> tuple[Line, ...]:
    """Return the series as long as the frequencies; points that are not numbers are left out."""
    xs = frequency if isinstance(frequency, list) else []
    lines = []
    for name in names:
        ys = part.get(name)
        if not isinstance(ys, list) or len(ys) != len(xs):
            continue
        points = [(number(x), number(y)) for x, y in zip(xs, ys, strict=True)]
        kept = [(x, y) for x, y in points if x is not None and y is not None]
        if len(kept) > 1:
            lines.append(Line(name, [x for x, _ in kept], [y for _, y in kept]))
    return tuple(lines)


def _series(value: Any) -> list[float]:
    numbers = [number(item) for item in value] if isinstance(value, list) else []
    known = [number for number in numbers if number is not None]
    return known if len(known) == len(numbers) else []


def _table(value: Any) -> NDArray[np.float64] | None:
    rows = value if isinstance(value, list) else []
    if not rows or not all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
        return None
    if not 0 < len(rows) * len(rows[0]) <= _MOST_CELLS:
        return None
    numbers = [[number(item) for item in row] for row in rows]
    return np.array([[np.nan if n is None else n for n in row] for row in numbers], np.float64)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
