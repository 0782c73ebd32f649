"""Which metrics are drawn as distributions, and which of them share a plot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from bids_sr.quality.gain import NOISE, key_of
from bids_sr.quality.metric_spec import (
    IDENTITY,
    OTHER,
    PROCESSING,
    SCAN,
    VERDICT,
    MetricSpec,
    Per,
    is_number,
)
from bids_sr.quality.registry import extreme_key, families, family, is_described, lookup
from bids_sr.quality.registry.self_check import METHODS

_NOT_DRAWN = (IDENTITY, VERDICT, SCAN, PROCESSING)
_MOST_UNKNOWN = 24
"""Plots of metrics that the registry does not describe."""
_SIDES = re.compile(r"(.+)_(input|sr)$")
_BEFORE_AFTER = ("input", "super-resolved")


@frozen
class MetricPlot:
    """One plot: a metric, with a column of points for each side, shell or method."""

    spec: MetricSpec
    """The metric's description."""
    strips: tuple[tuple[str, str], ...]
    """Label and key of each column of points."""

    @property
    def paired(self) -> bool:
        """Whether the columns are values before and after."""
        return tuple(label for label, _ in self.strips) == _BEFORE_AFTER


def plotted_families() -> list[str]:
    """Return the headings of the plots, in their order."""
    return [*(name for name in families() if name not in _NOT_DRAWN), OTHER]


def metric_plots(records: Sequence[Mapping[str, Any]]) -> list[MetricPlot]:
    """Return the plots of all metrics that are known and not 0 in at least one run.

    Parameters
    ----------
    records : sequence of mapping
        Records with their derived metrics (`bids_sr.quality.registry.derived`).

    Returns
    -------
    list of MetricPlot
        In the order of `plotted_families`; unknown metrics come last.
    """
    there = {key for record in records for key in record}
    drawn = {k for k in there if any(is_number(r.get(k)) and r[k] for r in records)}
    found = []
    for name in plotted_families():
        for spec in family(name):
            strips = tuple((label, key) for label, key in _strips(spec) if key in drawn)
            found.extend([MetricPlot(spec, strips)] if strips else [])
    unknown = sorted(key for key in drawn if not is_described(key))
    return [*found, *list(_unknown(unknown))[:_MOST_UNKNOWN]]


def _strips(spec: MetricSpec) -> list[tuple[str, str]]:
    if spec.per == Per.SIDE:
        keys = (f"{spec.key}_input", f"{spec.key}_sr")
        return list(zip(_BEFORE_AFTER, keys, strict=True))
    if spec.per == Per.METHOD:
        return [(method, key_of(spec.key, method)) for method in (*METHODS, NOISE)]
    if spec.per == Per.RUN:
        return [("", spec.key)]
    if spec.extreme is None:
        return []
    above = extreme_key(spec)
    which = "lowest" if spec.extreme is min else "highest"
    return [("b = 0", f"{spec.key}_b0"), (f"{which} b > 0", above)]


def _unknown(keys: Iterable[str]) -> Iterator[MetricPlot]:
    left = dict.fromkeys(keys)
    for key in list(left):
        if key not in left:
            continue
        sides = _SIDES.match(key)
        strips, name = {"": key}, key
        if sides and {f"{sides[1]}_input", f"{sides[1]}_sr"} <= set(left):
            name = sides[1]
            strips = {"input": f"{name}_input", "super-resolved": f"{name}_sr"}
        for taken in strips.values():
            del left[taken]
        yield MetricPlot(lookup(name), tuple(strips.items()))
