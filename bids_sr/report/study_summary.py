"""Summary of all runs at the top of the group page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bids_sr.quality.gain import HARMED, HELPED, NO_GAIN, helps_only_without_noise
from bids_sr.quality.metric_spec import is_known, number
from bids_sr.quality.registry import lookup
from bids_sr.quality.verdict import FAIL, PASS, UNKNOWN, WARN
from bids_sr.report.tables import tidy

_GAINS = (("b0", "selfcheck_gain_psnr_b0"), ("DWI", "selfcheck_gain_psnr_dwi"))
SHARED = ("scale_factor", "model", "n_volumes", "shells", "input_zooms_mm", "output_zooms_mm")
"""Facts that are reported once if all runs share them."""
_VERDICTS = {HELPED: "helped on", NO_GAIN: "no gain on", HARMED: "harmed"}


def study_answers(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Summarise the results of the runs as headings and sentences.

    Parameters
    ----------
    records : sequence of mapping
        Of the finished runs, with derived metrics (`bids_sr.quality.registry.derived`).

    Returns
    -------
    list of tuple of str
        Without entries that no run has values for.

    Examples
    --------
    >>> study_answers([{"qc_status": "pass", "scale_factor": 2}, {"qc_status": "fail"}])
    [('Quality', '1 fail, 1 pass of 2 runs.')]
    """
    told = [
        ("Super-resolution", _gain(records)),
        ("Quality", _quality(records)),
        ("All runs", _shared(records)),
    ]
    return [(heading, text) for heading, text in told if text]


def _quality(records: Sequence[Mapping[str, Any]]) -> str:
    levels = Counter(str(record.get("qc_status")) for record in records)
    counts = [f"{levels[s]} {s}" for s in (FAIL, WARN, UNKNOWN, PASS) if levels[s]]
    return f"{', '.join(counts)} of {_runs(len(records))}." if counts else ""


def _gain(records: Sequence[Mapping[str, Any]]) -> str:
    verdicts = Counter(str(record.get("selfcheck_verdict")) for record in records)
    told = [f"{words} {verdicts[v]}" for v, words in _VERDICTS.items() if verdicts[v]]
    if not told:
        return ""
    checked = sum(verdicts[verdict] for verdict in _VERDICTS)
    noisy = sum(map(helps_only_without_noise, records))
    but = f" ({noisy} of them not at the scan's full noise level)" if noisy else ""
    text = f"{', '.join(told)} of {_runs(checked)} with a self-check{but}{_medians(records)}."
    return text[0].upper() + text[1:]


def _medians(records: Sequence[Mapping[str, Any]]) -> str:
    told = []
    for name, key in _GAINS:
        gains = [value for r in records if (value := number(r.get(key))) is not None]
        if gains:
            told.append(f"{name} {median(gains):+.1f} dB")
    return f"; median gain over the best interpolation: {', '.join(told)}" if told else ""


def _shared(records: Sequence[Mapping[str, Any]]) -> str:
    told = []
    for key in SHARED:
        values = [record.get(key) for record in records]
        if len(values) > 1 and is_known(values[0]) and all(v == values[0] for v in values):
            spec = lookup(key)
            text = f"{tidy(spec.text(values[0]))} {spec.unit}".strip()
            told.append(f"{spec.label[0].lower()}{spec.label[1:]} {text}")
    text = f"{', '.join(told)}." if told else ""
    return text[:1].upper() + text[1:]


def _runs(count: int) -> str:
    return f"{count} run{'s' if count != 1 else ''}"
