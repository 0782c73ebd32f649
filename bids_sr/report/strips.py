"""Distributions over runs: one small plot per metric, one point per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from bids_sr.quality.metric_spec import is_number
from bids_sr.report.axis import label_room, nice_ticks, tick_texts
from bids_sr.report.distributions import MetricPlot
from bids_sr.report.outliers import Fences, fences

WIDTH, HEIGHT = 260.0, 230.0
_RIGHT, _TOP, _BOTTOM = 12.0, 10.0, 30.0
_LETTER = 6.6
"""Mean width of a letter at 12 px."""
_ROW = 14.0
"""Height of a second row of labels."""
_MIN_FOR_BOX = 5
_GOLDEN = 0.6180339887
_SPREAD = 0.28
"""Largest sideways shift of a point, share of a strip's width."""
_MAX_LINES = 300
"""Runs above which lines between input and output would be illegible."""
_SMALL, _LARGE = 1e-290, 1e290
"""Values beyond it cannot be drawn to scale."""


@frozen
class Point:
    """A run in a strip."""

    run: int
    """Place of the run in the table."""
    x: float
    y: float
    value: float
    """In the unit of the plot."""


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
    key: str
    """Key of the page's column."""
    x: float
    points: tuple[Point, ...]
    """In the order of the runs."""
    box: Box | None
    fences: Fences | None
    """Limits of the usual range; None with too few runs."""
    limits: tuple[float, ...]
    """Positions of the fences that lie within the scale."""
    missing: tuple[int, ...]
    """Places of the runs that have no point."""
    below: float = 0.0
    """Downward shift of the label, so that neighbouring labels do not overlap."""

    @property
    def dots(self) -> str:
        """All points as one path: zero-length strokes with round ends."""
        return dots(self.points)

    @property
    def outliers(self) -> list[Point]:
        """The points outside the fences, those farthest out first."""
        if self.fences is None or not self.points:
            return []
        out = self.fences.outside(np.array([point.value for point in self.points]))
        low, high = self.fences.low, self.fences.high
        found = [point for point, is_out in zip(self.points, out, strict=True) if is_out]
        return sorted(found, key=lambda p: min(p.value - low, high - p.value))


@frozen
class Tick:
    """A mark on the scale."""

    y: float
    text: str


@frozen
class Plot:
    """Everything a template needs to draw one metric."""

    title: str
    family: str
    """The heading it is shown under."""
    unit: str
    meaning: str
    strips: tuple[Strip, ...]
    ticks: tuple[Tick, ...]
    left: float
    """Left end of the plot: leaves room for the axis labels."""
    height: float
    """Of the whole drawing."""
    paired: bool
    """Whether the two strips are values before and after."""
    pairs: str
    """Lines between the points of the same run, as a path; empty if there are too many."""
    summary: str
    """Text description of the plot."""


def plots(drawn: Sequence[MetricPlot], records: Sequence[Mapping[str, Any]]) -> list[Plot]:
    """Lay out the plots.

    Parameters
    ----------
    drawn : sequence of MetricPlot
    records : sequence of mapping
        One for each run, with its summaries.

    Returns
    -------
    list of Plot
        One for each metric.
    """
    return [_plot(one, records) for one in drawn]


def _plot(drawn: MetricPlot, records: Sequence[Mapping[str, Any]]) -> Plot:
    factor = 100.0 if drawn.spec.percent else 1.0
    values = [_values(key, records, factor) for _, key in drawn.strips]
    everything = [value for column in values for value in column.values()]
    marks = nice_ticks(
        min(everything, default=0.0),
        max(everything, default=0.0),
        factor * drawn.spec.least_range,
    )
    texts = tick_texts(marks)
    left = label_room(texts)
    room = (WIDTH - left - _RIGHT) / len(drawn.strips)
    below = _rows(drawn, room)
    least = factor * drawn.spec.least_range
    strips = tuple(
        _strip(
            name, column, left + room * (i + 0.5), room, marks, len(records), least, below[i % 2]
        )
        for i, (name, column) in enumerate(zip(drawn.strips, values, strict=True))
    )
    unit = "%" if drawn.spec.percent else drawn.spec.unit
    return Plot(
        drawn.spec.label,
        drawn.spec.family,
        unit,
        drawn.spec.description,
        strips,
        tuple(Tick(_height(m, marks), text) for m, text in zip(marks, texts, strict=True)),
        left,
        HEIGHT + max(below),
        drawn.paired,
        _pairs(strips) if drawn.paired else "",
        _summary(drawn.spec.label, unit, strips),
    )


def _rows(drawn: MetricPlot, room: float) -> tuple[float, float]:
    """Return the downward shift of the labels of even and odd strips: 0 if all fit."""
    longest = max(len(label) for label, _ in drawn.strips)
    return (0.0, _ROW) if longest * _LETTER > room and len(drawn.strips) > 1 else (0.0, 0.0)


def _values(key: str, records: Sequence[Mapping[str, Any]], factor: float) -> dict[int, float]:
    found = {i: float(r[key]) for i, r in enumerate(records) if is_number(r.get(key))}
    return {i: v * factor for i, v in found.items() if v == 0 or _SMALL < abs(v) < _LARGE}


def _strip(
    name: tuple[str, str],
    column: Mapping[int, float],
    x: float,
    room: float,
    marks: Sequence[float],
    n_runs: int,
    least: float,
    below: float,
) -> Strip:
    shifts = {}
    for rank, run in enumerate(sorted(column, key=lambda run: (column[run], run))):
        # reproducible, and neighbouring values are far apart sideways
        share = (rank * _GOLDEN + 0.5) % 1 - 0.5 if len(column) > 1 else 0.0
        shifts[run] = share * 2 * _SPREAD * room
    points = tuple(
        Point(run, round(x + shifts[run], 1), _height(value, marks), value)
        for run, value in column.items()
    )
    box = None
    numbers = list(column.values())
    if len(numbers) >= _MIN_FOR_BOX:
        q1, q2, q3 = np.percentile(numbers, (25, 50, 75))
        heights = (_height(float(q), marks) for q in (q1, q3, q2))
        box = Box(round(x - 0.36 * room, 1), round(0.72 * room, 1), *heights)
    usual = fences(numbers, least)
    ends = (usual.low, usual.high) if usual else ()
    limits = tuple(_height(end, marks) for end in ends if marks[0] <= end <= marks[-1])
    missing = tuple(run for run in range(n_runs) if run not in column)
    return Strip(*name, round(x, 1), points, box, usual, limits, missing, below)


def dots(points: Sequence[Point]) -> str:
    """Return points as one path: zero-length strokes with round ends."""
    return "".join(f"M{point.x:g} {point.y:g}h0" for point in points)


def _pairs(strips: Sequence[Strip]) -> str:
    first, second = ({point.run: point for point in strip.points} for strip in strips)
    both = [(first[run], second[run]) for run in first if run in second]
    if len(both) > _MAX_LINES:
        return ""
    return "".join(f"M{a.x:g} {a.y:g}L{b.x:g} {b.y:g}" for a, b in both)


def _height(value: float, marks: Sequence[float]) -> float:
    share = (value - marks[0]) / (marks[-1] - marks[0])
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def _summary(title: str, unit: str, strips: Sequence[Strip]) -> str:
    parts = []
    for strip in strips:
        numbers = [point.value for point in strip.points]
        if numbers:
            where = f"{strip.label}: " if strip.label else ""
            out = f", {n} stand out" if (n := len(strip.outliers)) else ""
            parts.append(
                f"{where}median {float(np.median(numbers)):.4g}, from {min(numbers):.4g} to "
                f"{max(numbers):.4g} {unit}, {len(numbers)} runs{out}".replace("  ", " ")
            )
    return f"{title}. {'; '.join(parts)}."
