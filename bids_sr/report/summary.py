"""The top of a run: whether it helped, what to check, a light per metric, the self-check."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from bids_sr.quality.gain import (
    HIGHER_IS_BETTER,
    NOISE,
    SELF_CHECK,
    check_note,
    headline,
    key_of,
)
from bids_sr.quality.metric_spec import is_known, is_number
from bids_sr.quality.registry import lookup
from bids_sr.quality.registry.self_check import METHODS, SCORES
from bids_sr.quality.verdict import FAIL, NOTE, PASS, STATUSES, UNKNOWN, WARN, Light
from bids_sr.report.cautions import cautions, notes
from bids_sr.report.tables import tidy

WORDS = {"pass": "good", "note": "note", "warn": "caution", "fail": "bad", "unknown": "not judged"}
"""A word for each status, shown with its colour and shape."""

COLUMNS = (*METHODS, "noise alone")
"""Columns of the self-check's table."""
_SEEN = f"{SELF_CHECK}_seen"
_COUNTS = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine"}


@frozen
class LightView:
    """A light as the page shows it."""

    key: str
    """Key of the light."""
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
    """Explanation."""


@frozen
class Answer:
    """A line at the very top of a run."""

    status: str
    """Its icon."""
    lead: str
    """In bold."""
    text: str
    """The rest."""


@frozen
class Summary:
    """The top section of a run."""

    status: str
    """Overall status."""
    answers: tuple[Answer, ...]
    """Whether it helped; what to check."""
    cautions: tuple[Answer, ...]
    """Why, worst first."""
    notes: tuple[str, ...]
    """What else is worth knowing."""
    lights: tuple[LightView, ...]
    """Worst first; empty if there are none."""
    checked: tuple[Checked, ...]
    """The self-check; empty if there is none."""
    check_note: str
    """What the self-check says in words, or why there is none."""


def summary(record: Mapping[str, Any], lights: Iterable[Light] = ()) -> Summary:
    """Assemble the summary of a run.

    Parameters
    ----------
    record : mapping
        The run's metrics.
    lights : iterable of Light
        Of `bids_sr.quality.verdict.quality_lights`; without any, those of the record.

    Returns
    -------
    Summary
    """
    views = sorted(map(_view, lights), key=lambda view: STATUSES.index(view.status))
    told = _cautions(record, views)
    return Summary(
        _overall(record, views),
        (_helped(record, views), _to_check(told, views, seen=bool(record.get(_SEEN)))),
        tuple(told),
        tuple([view.text for view in views if view.status == NOTE] + notes(record)),
        tuple(views),
        _checked(record),
        check_note(record),
    )


def _overall(record: Mapping[str, Any], views: Sequence[LightView]) -> str:
    """Return the overall status from the lights; without any, the record's."""
    if not views:
        return _status(record.get("qc_status"))
    return PASS if views[0].status == NOTE else views[0].status


def _cautions(record: Mapping[str, Any], views: Sequence[LightView]) -> list[Answer]:
    told = [Answer(v.status, v.label, v.text) for v in views if v.status in (FAIL, WARN)]
    if not views:
        reasons = str(record.get("qc_reasons") or "").split("; ")
        told = [Answer(_status(record.get("qc_status")), "", text) for text in reasons if text]
    return told + [Answer(WARN, "", text) for text in cautions(record)]


def _helped(record: Mapping[str, Any], views: Sequence[LightView]) -> Answer:
    lead, text = headline(record)
    found = [view.status for view in views if view.key == f"{SELF_CHECK}_verdict"]
    return Answer(found[0] if found else UNKNOWN, lead, text)


def _to_check(told: Sequence[Answer], views: Sequence[LightView], *, seen: bool) -> Answer:
    """Say what to look at first, apart from the self-check, which is shown above it."""
    check = next((view.label for view in views if view.key == f"{SELF_CHECK}_verdict"), None)
    told = [one for one in told if one.lead != check or check is None]
    unknown = [view.label for view in views if view.status == UNKNOWN]
    silent = f"{', '.join(unknown)}." if unknown else ""
    if told:
        first = " ".join(
            [_first_sentence(told[0].text), *([f"Not judged: {silent}"] * bool(silent))]
        )
        if told[0].status == FAIL:
            more = f" ({len(told) - 1} more below)" if len(told) > 1 else ""
            return Answer(FAIL, "Check before use", f"{first}{more}")
        count = _COUNTS.get(len(told), str(len(told)))
        lead = "One caution" if len(told) == 1 else f"{count} cautions, the first"
        return Answer(WARN, lead, first)
    if len(unknown) == len(views):
        return Answer(UNKNOWN, "Not judged", "what could be checked is not in the record.")
    if unknown:
        return Answer(UNKNOWN, "No caution, but not judged", silent)
    but = ", but the network may have been trained on this participant" if seen else ""
    return Answer(PASS, "No caution", f"all checks passed{but}.")


def _first_sentence(text: str) -> str:
    """Return the first sentence; a decimal point does not end it."""
    return re.split(r"(?<=\.)\s+(?=[A-Z])", text, maxsplit=1)[0]


def _view(light: Light) -> LightView:
    spec = lookup(light.key)
    shown = f"{tidy(spec.text(light.value))} {spec.unit}" if is_known(light.value) else ""
    return LightView(
        light.key, spec.label, _status(light.status), shown.strip(), light.text, spec.meaning
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
        # equal as printed is equally good
        cells = [(spec.text(v), spec.text(v) == spec.text(best)) for v in values]
        # not a method: the score of a perfect result against a noisy scan
        cells.append((spec.text(record.get(key_of(spec.key, NOISE))), False))
        label = f"{spec.label} ({spec.unit})" if spec.unit else spec.label
        rows.append(Checked(label, tuple(cells), spec.meaning))
    return tuple(rows)
