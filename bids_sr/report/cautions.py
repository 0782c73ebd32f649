"""Limits of a run's output that the reader of its page should know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bids_sr.quality.gain import SELF_CHECK
from bids_sr.quality.metric_spec import MetricSpec, Per, is_known
from bids_sr.quality.registry import shell_of
from bids_sr.report.tables import table_metrics

NO_TRUTH = (
    "There is no scan of this head at the finer resolution. Detail beyond interpolation is what "
    "the network learned to expect from other scans; nothing on this page can prove it for "
    "this one."
)
"""True of every run."""


def cautions(record: Mapping[str, Any]) -> list[str]:
    """Describe limits on the use of this run's output that no light covers.

    Parameters
    ----------
    record : mapping
        The run's metrics.

    Returns
    -------
    list of str
        Whole sentences.
    """
    return [text for text in (_data_consistency(record),) if text]


def notes(record: Mapping[str, Any]) -> list[str]:
    """Describe what else is worth knowing: what was skipped, unusual, or is not known.

    Parameters
    ----------
    record : mapping
        The run's metrics.

    Returns
    -------
    list of str
        Whole sentences.
    """
    told = (_seen(record), _skipped(record), _notes(record), _missing(record))
    return [text for text in told if text]


def _seen(record: Mapping[str, Any]) -> str:
    return str(record.get(f"{SELF_CHECK}_seen") or "")


def _data_consistency(record: Mapping[str, Any]) -> str:
    if record.get("data_consistency") is False:
        return (
            "K-space data consistency was switched off: the input's own spatial frequencies need "
            "not be kept. See the residual below."
        )
    return ""


def _skipped(record: Mapping[str, Any]) -> str:
    reasons = (record.get(key) for key in ("dti_skipped_reason", "gqi_skipped_reason"))
    return " ".join(str(reason) for reason in reasons if is_known(reason))


def _notes(record: Mapping[str, Any]) -> str:
    notes = record.get("notes")
    if isinstance(notes, list):
        notes = " ".join(str(note) for note in notes)
    return str(notes) if is_known(notes) else ""


def _missing(record: Mapping[str, Any]) -> str:
    lacking = []
    if not is_known(record.get("dti_skipped_reason")):
        wanted = (spec for spec in table_metrics() if not spec.optional)
        lacking = [spec.label for spec in wanted if not _is_whole(spec, record)]
    if not any(shell_of(key) and is_known(value) for key, value in record.items()):
        lacking.append("the data-consistency residual")
    return f"Not known for this run: {'; '.join(lacking)}." if lacking else ""


def _is_whole(spec: MetricSpec, record: Mapping[str, Any]) -> bool:
    sides = ("_input", "_sr") if spec.per == Per.SIDE else ("",)
    return all(is_known(record.get(f"{spec.key}{side}")) for side in sides)
