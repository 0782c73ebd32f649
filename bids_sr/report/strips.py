"""Distributions over runs: one small plot per measure, every run a point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from bids_sr.report.glossary import DC_NRMSE, PAIRS, SINGLE, Entry, is_number, shell_of

WIDTH, HEIGHT = 260.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 12.0, 10.0, 30.0
_MIN_FOR_BOX = 5
_GOLDEN = 0.6180339887
_SPREAD = 0.28
"""Largest sideways shift of a point, share of a strip's width."""


@frozen
class Point:
    """A run in a plot."""

    run: str
    """Key of the run."""
    x: float
    y: float
    text: str
    """Value as printed, with its unit."""


@frozen
class Box:
    """Quartiles of a strip, as plot coordinates."""

    x: float
    width: float
    low: float
    high: float
    middle: float


@frozen
class Strip:
    """One column of points."""

    label: str
    x: float
    points: tuple[Point, ...]
    box: Box | None


@frozen
class Tick:
    """A mark on the scale."""

    y: float
    text: str


@frozen
class Plot:
    """All that a template needs to draw one measure."""

    title: str
    unit: str
    meaning: str
    strips: tuple[Strip, ...]
    ticks: tuple[Tick, ...]
    lines: tuple[tuple[Point, Point], ...]
    """Pairs of points of the same run."""
    summary: str
    """The plot in words."""


def plots(records: Mapping[str, Mapping[str, Any]]) -> list[Plot]:
    """Lay out the plots of all measures that are known, and not 0, in some run.

    Parameters
    ----------
    records : mapping
        Key of each run, and its record.

    Returns
    -------
    list of Plot
    """
    residuals = {run: largest_residuals(record) for run, record in records.items()}
    columns = [("b = 0", "b0"), ("largest of b > 0", "above")]
    laid = [_plot(DC_NRMSE, "Residual to the measurement", columns, residuals, paired=False)]
    for entry, keys in PAIRS:
        columns = list(zip(("input", "super-resolved"), keys, strict=True))
        laid.append(_plot(entry, entry.label, columns, records, paired=True))
    alone = (*SINGLE, Entry("seconds_superres", "Time for super-resolution", unit="s"))
    laid += [_plot(e, e.label, [("", e.key)], records, paired=False) for e in alone]
    return [plot for plot in laid if plot is not None]


def largest_residuals(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the residual at b = 0 (``b0``) and the largest one at other b-values (``above``)."""
    found: dict[str, float] = {}
    for key, value in record.items():
        split = shell_of(key)
        if split and split[0] == DC_NRMSE.key and is_number(value):
            place = "above" if split[1] else "b0"
            found[place] = max(float(value), found.get(place, 0.0))
    return found


def _plot(
    entry: Entry,
    title: str,
    columns: Sequence[tuple[str, str]],
    records: Mapping[str, Mapping[str, Any]],
    *,
    paired: bool,
) -> Plot | None:
    factor = 100.0 if entry.percent else 1.0
    values = [
        {run: factor * r[key] for run, r in records.items() if is_number(r.get(key))}
        for _, key in columns
    ]
    everything = [value for column in values for value in column.values()]
    if entry.optional or not any(everything):
        return None  # nothing known, or 0 in every run
    marks = nice_ticks(min(everything), max(everything))
    unit = "%" if entry.percent else entry.unit
    room = (WIDTH - _LEFT - _RIGHT) / len(columns)
    strips = tuple(
        _strip(label, column, _LEFT + room * (i + 0.5), room, marks, unit)
        for i, ((label, _), column) in enumerate(zip(columns, values, strict=True))
    )
    digits = next(d for d in range(15) if all(round(m, d) == m for m in marks) or d == 14)
    return Plot(
        title,
        unit,
        entry.meaning,
        strips,
        tuple(Tick(_height(mark, marks), f"{mark:.{digits}f}") for mark in marks),
        _lines(strips) if paired else (),
        _summary(title, unit, columns, values),
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Return 3 to 6 round numbers that enclose `low` to `high`.

    Examples
    --------
    >>> nice_ticks(0.41, 0.47)
    [0.4, 0.42, 0.44, 0.46, 0.48]
    >>> nice_ticks(3, 3)
    [2.0, 3.0, 4.0]
    """
    span = high - low if high > low else abs(high) or 1.0
    rough = span / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    if high <= low:
        return [round(low + step * i, 12) for i in (-1, 0, 1)]
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * i, 12) for i in range(first, last + 1)]


def _strip(
    label: str,
    column: Mapping[str, float],
    x: float,
    room: float,
    marks: Sequence[float],
    unit: str,
) -> Strip:
    ranked = sorted(column, key=lambda run: (column[run], run))
    points = []
    for rank, run in enumerate(ranked):
        # neighbours in value lie far apart sideways, always in the same way
        shift = ((rank * _GOLDEN + 0.5) % 1 - 0.5) * 2 * _SPREAD * room if len(ranked) > 1 else 0
        text = f"{column[run]:.4g} {unit}".strip()
        points.append(Point(run, round(x + shift, 1), _height(column[run], marks), text))
    box = None
    if len(ranked) >= _MIN_FOR_BOX:
        q1, q2, q3 = np.percentile(list(column.values()), (25, 50, 75))
        heights = (_height(float(q), marks) for q in (q1, q3, q2))
        box = Box(round(x - 0.36 * room, 1), round(0.72 * room, 1), *heights)
    return Strip(label, round(x, 1), tuple(points), box)


def _lines(strips: Sequence[Strip]) -> tuple[tuple[Point, Point], ...]:
    first, second = ({point.run: point for point in strip.points} for strip in strips)
    return tuple((first[run], second[run]) for run in first if run in second)


def _height(value: float, marks: Sequence[float]) -> float:
    share = (value - marks[0]) / (marks[-1] - marks[0])
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def _summary(
    title: str,
    unit: str,
    columns: Sequence[tuple[str, str]],
    values: Sequence[Mapping[str, float]],
) -> str:
    parts = []
    for (label, _), column in zip(columns, values, strict=True):
        if column:
            numbers = list(column.values())
            where = f"{label}: " if label else ""
            parts.append(
                f"{where}median {float(np.median(numbers)):.4g}, from {min(numbers):.4g} to "
                f"{max(numbers):.4g} {unit}, {len(numbers)} runs".replace("  ", " ")
            )
    return f"{title}. {'; '.join(parts)}."
