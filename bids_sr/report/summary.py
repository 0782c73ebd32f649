"""The summary at the top of a run: a verdict, a light per metric, the self-check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from bids_sr.quality.gain import HIGHER_IS_BETTER, NOISE, key_of
from bids_sr.quality.metric_spec import is_known, is_number
from bids_sr.quality.registry import lookup
from bids_sr.quality.registry.self_check import METHODS, SCORES
from bids_sr.report.tables import tidy

WORDS = {"pass": "good", "note": "note", "warn": "look", "fail": "bad", "unknown": "not judged"}
"""A word for each status, beside its colour and shape."""
_SENTENCES = {
    "pass": "Nothing that could be judged speaks against using this output.",
    "warn": "Usable, but look at the points below first.",
    "fail": "Do not use this output before the points below are understood.",
    "unknown": "Not everything could be judged; what could be judged raises no concern.",
}
_NOTHING = "This run has not been judged."
_WORST_FIRST = ("fail", "warn", "unknown", "note", "pass")

COLUMNS = (*METHODS, "noise alone")
"""Columns of the self-check's table."""
_VERDICTS = {
    "helped": "The network came closer to this scan than the best interpolation.",
    "no gain": "The network came about as close to this scan as the best interpolation.",
    "harmed": "The network did worse on this scan than the best interpolation.",
}


@frozen
class LightView:
    """One light as the page shows it."""

    label: str
    """Name of the metric."""
    status: str
    """``pass``, ``note``, ``warn``, ``fail`` or ``unknown``."""
    value: str
    """As printed, with its unit; may be empty."""
    text: str
    """What the value means here."""
    meaning: str
    """What the metric is."""

    @property
    def word(self) -> str:
        """The status as a word."""
        return WORDS[self.status]


@frozen
class Checked:
    """A row of the self-check."""

    label: str
    """Metric and unit."""
    cells: tuple[tuple[str, bool], ...]
    """Printed value of each column, and whether it is the best."""
    meaning: str
    """Plain words."""


@frozen
class Summary:
    """What stands at the very top of a run."""

    status: str
    """Overall status."""
    sentence: str
    """The verdict."""
    reasons: tuple[str, ...]
    """Why, worst first."""
    lights: tuple[LightView, ...]
    """Worst first; empty if there are none."""
    checked: tuple[Checked, ...]
    """The self-check; empty if there is none."""
    check_note: str
    """What the self-check says in words, or why there is none."""

    @property
    def word(self) -> str:
        """The status as a word."""
        return WORDS[self.status]


def summary(record: Mapping[str, Any], lights: Iterable[Any] = (), check: str = "") -> Summary:
    """Put together the summary of a run.

    Parameters
    ----------
    record : mapping
        The run's metrics.
    lights : iterable
        Mappings or objects with ``key``, ``status``, ``value`` and ``text``.
    check : str
        What the self-check says; by default a sentence that goes with the record.

    Returns
    -------
    Summary
    """
    views = sorted((_view(light) for light in lights), key=lambda v: _WORST_FIRST.index(v.status))
    status = _status(record.get("qc_status"))
    reasons = [view.text for view in views if view.status in ("fail", "warn") and view.text]
    if not views:
        reasons = [text for text in str(record.get("qc_reasons") or "").split("; ") if text]
    judged = status != "unknown" or any(view.status != "unknown" for view in views)
    return Summary(
        status,
        _SENTENCES[status] if judged else _NOTHING,
        tuple(reasons),
        tuple(views),
        _checked(record),
        check or _check_note(record),
    )


def _view(light: Any) -> LightView:
    def part(name: str) -> Any:
        return light.get(name) if isinstance(light, Mapping) else getattr(light, name, None)

    key, value = str(part("key")), part("value")
    spec = lookup(key)
    shown = f"{tidy(spec.text(value))} {spec.unit}".strip() if is_known(value) else ""
    return LightView(
        spec.label, _status(part("status")), shown, str(part("text") or ""), spec.meaning
    )


def _status(value: Any) -> str:
    return value if isinstance(value, str) and value in WORDS else "unknown"


def _checked(record: Mapping[str, Any]) -> tuple[Checked, ...]:
    rows = []
    for spec in SCORES:
        values = [record.get(key_of(spec.key, method)) for method in METHODS]
        known = [float(value) for value in values if value is not None and is_number(value)]
        if not known:
            continue
        best = max(known) if spec.key in HIGHER_IS_BETTER else min(known)
        # what is printed alike is equally good
        cells = [(spec.text(v), spec.text(v) == spec.text(best)) for v in values]
        # no method: what a perfect result would have against a scan that is noisy itself
        cells.append((spec.text(record.get(key_of(spec.key, NOISE))), False))
        label = f"{spec.label} ({spec.unit})" if spec.unit else spec.label
        rows.append(Checked(label, tuple(cells), spec.meaning))
    return tuple(rows)


def _check_note(record: Mapping[str, Any]) -> str:
    if is_known(record.get("selfcheck_reason")):
        return f"There was no self-check. {record['selfcheck_reason']}"
    said = _VERDICTS.get(str(record.get("selfcheck_verdict")), "")
    size = [record.get(f"selfcheck_{part}") for part in ("volumes", "slices")]
    if said and all(is_number(count) for count in size):
        said += f" Measured on {size[0]} volumes and {size[1]} slices."
    return said
