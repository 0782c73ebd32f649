"""Which metrics of the records are drawn as distributions, and which of them together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from bids_sr.quality.gain import key_of
from bids_sr.report.columns import known_columns
from bids_sr.report.dictionary import METHODS, SELF_CHECK, describe, is_described
from bids_sr.report.extremes import SUMMARIES, is_summarized
from bids_sr.report.glossary import DC_NRMSE, PAIRS, PROCESSING, SCAN, MetricSpec, is_number

FAMILIES = (
    ("Agreement with the measurement", r"dc_"),
    ("White matter", r"wm_|v1_"),
    ("Fit", r"s_above|negative_|nonfinite|unfitted"),
    ("Grid artifacts", r"grid_|peak_db"),
    ("Noise and sharpness", r"snr_|sigma_|ndc_|sharpness_|interslice_discontinuity|sd_|n_bad"),
    ("Self-check", r"selfcheck_"),
    ("Time and memory", r"seconds_|peak_memory"),
    ("Other metrics", r""),
)
"""Headings, and how the keys under them begin."""

_MOST_UNKNOWN = 24
"""Plots of metrics that nobody has words for."""
_SIDES = re.compile(r"(.+)_(input|sr)$")
_DRAWN = {"seconds_superres", "seconds_total", "peak_memory_gb", "n_bad_slices"}
_FACTS = {entry.key for entry in (*SCAN, *PROCESSING)} - _DRAWN


@frozen
class Measure:
    """One plot: a metric, or a few that belong together."""

    title: str
    """What is measured."""
    entry: MetricSpec
    """Meaning, unit and whether it is a fraction."""
    strips: tuple[tuple[str, str], ...]
    """Label and key of each column of points."""
    paired: bool = False
    """The columns are one run's values before and after."""

    @property
    def family(self) -> str:
        """The heading it stands under."""
        if not self.is_known:
            return FAMILIES[-1][0]
        key = self.strips[0][1]
        return next(title for title, start in FAMILIES if re.match(start, key))

    @property
    def is_summary(self) -> bool:
        """Whether it sums up others of its family; then it comes before them."""
        return any(key in SUMMARIES for _, key in self.strips)

    @property
    def is_known(self) -> bool:
        """Whether there are words for it."""
        return all(key in SUMMARIES or is_described(key) for _, key in self.strips)


def measures(records: Sequence[Mapping[str, Any]]) -> list[Measure]:
    """Return the measures that are known, and not 0, in some run.

    Parameters
    ----------
    records : sequence of mapping
        Records with their summaries.

    Returns
    -------
    list of Measure
        In the order of `FAMILIES`; what no glossary knows comes last.
    """
    keys = [
        key
        for key in [*SUMMARIES, *known_columns(records)]
        if key not in _FACTS and any(is_number(r.get(key)) and r[key] for r in records)
    ]
    order = [title for title, _ in FAMILIES]
    found = sorted(
        _group(dict.fromkeys(keys)),
        key=lambda measure: (order.index(measure.family), not measure.is_summary),
    )
    known = [measure for measure in found if measure.is_known]
    return [*known, *[measure for measure in found if not measure.is_known][:_MOST_UNKNOWN]]


def _group(keys: Iterable[str]) -> Iterator[Measure]:
    left = dict.fromkeys(keys)
    yield from _special(left)
    while left:
        key = next(iter(left))
        if checked := SELF_CHECK.match(key):
            strips = [(method, key_of(checked[1], method)) for method in (*METHODS, "noise")]
            yield _take(left, describe(key).label.rsplit(", ", 1)[0], describe(key), strips)
        elif sides := _SIDES.match(key):
            strips = [("input", f"{sides[1]}_input"), ("super-resolved", f"{sides[1]}_sr")]
            yield _take(left, _without_side(key), describe(key), strips)
        elif is_summarized(key) or key.startswith("dc_bias"):
            del left[key]
        else:
            entry = SUMMARIES.get(key) or describe(key)
            yield _take(left, entry.label, entry, [("", key)])


def _without_side(key: str) -> str:
    label = describe(key).label
    ending = r"_(input|sr)$" if label == key else r",? (input|interpolated|super-resolved)$"
    return re.sub(ending, "", label)


def _special(left: dict[str, None]) -> Iterator[Measure]:
    """Yield what belongs together by more than its name."""
    of_shells = [("b = 0", "dc_nrmse_b0"), ("largest of b > 0", "dc_nrmse_above")]
    noise = [("b = 0", "snr_b0"), ("lowest of b > 0", "snr_lowest")]
    over = [("b = 0", "dc_rms_sigma_b0"), ("largest of b > 0", "dc_rms_sigma_above")]
    known = [
        ("Residual to the measurement", DC_NRMSE, of_shells),
        ("Residual over noise", SUMMARIES["dc_rms_sigma_above"], over),
        ("Signal over noise, input", SUMMARIES["snr_lowest"], noise),
    ]
    for entry, pair in PAIRS:
        strips = list(zip(("input", "super-resolved"), pair, strict=True))
        known.append((entry.label, entry, strips))
    for title, entry, strips in known:
        if any(key in left for _, key in strips):
            yield _take(left, title, entry, strips)


def _take(
    left: dict[str, None], title: str, entry: MetricSpec, strips: Iterable[tuple[str, str]]
) -> Measure:
    there = tuple((label, key) for label, key in strips if key in left)
    for _, key in there:
        del left[key]
    paired = [label for label, _ in there] == ["input", "super-resolved"]
    return Measure(title, entry, there, paired)
