"""Runs that stand out from the others of a study: one entry per run, the farthest out first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from bids_sr.quality.registry import lookup
from bids_sr.report.strips import Plot, Point, Strip

_WORST = ("fail", "warn")
_FAR = 10.0
"""Cap on the distance beyond the fences, in interquartile ranges, so that no metric decides
alone."""


@frozen
class Measure:
    """A key metric of a run that lies outside the fences."""

    label: str
    value: str
    """As printed, with its unit."""
    high: bool
    """Whether it is above the usual range rather than below."""
    usual: str
    """Range of the other runs, as printed."""
    far: float
    """How far outside, in interquartile ranges."""


@frozen
class StandingOut:
    """A run and the metrics by which it stands out, the farthest first."""

    run: int
    """Place of the run in the table."""
    status: str
    """Its quality: ``pass``, ``warn``, ...; empty if it is not known."""
    measures: tuple[Measure, ...]


def standing_out(plots: Iterable[Plot], records: Sequence[Mapping[str, Any]]) -> list[StandingOut]:
    """Rank the runs that lie outside the fences of a key metric.

    Parameters
    ----------
    plots : iterable of Plot
        All plots of the page.
    records : sequence of mapping
        Of the runs, in the order of the plots' points.

    Returns
    -------
    list of StandingOut
        Red runs first, then amber, then the others; among these by the sum of the distances
        beyond the fences.
    """
    found: dict[int, list[Measure]] = {}
    for plot in plots:
        for strip in plot.strips:
            if lookup(strip.key).key_measure:
                for point in strip.outliers:
                    found.setdefault(point.run, []).append(_measure(strip, point))
    rows = [
        StandingOut(
            run,
            str(records[run].get("qc_status") or ""),
            tuple(sorted(measures, key=lambda m: -m.far)),
        )
        for run, measures in found.items()
    ]
    return sorted(rows, key=_rank)


def _rank(row: StandingOut) -> tuple[int, float, int]:
    level = _WORST.index(row.status) if row.status in _WORST else len(_WORST)
    return level, -sum(measure.far for measure in row.measures), row.run


def _measure(strip: Strip, point: Point) -> Measure:
    spec, usual = lookup(strip.key), strip.fences
    assert usual is not None  # a strip without fences has no outliers
    factor = 100.0 if spec.percent else 1.0
    spread = (usual.high - usual.low) / 4  # fences lie four interquartile ranges apart
    beyond = max(usual.low - point.value, point.value - usual.high)
    ends = (spec.text(float(end) / factor) for end in (usual.low, usual.high))
    return Measure(
        spec.column or spec.label,
        spec.with_unit(point.value / factor),
        point.value > usual.high,
        " to ".join(ends),
        min(beyond / spread, _FAR) if spread else _FAR,
    )
