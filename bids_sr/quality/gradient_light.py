"""The gradient-table check of a run, as a status and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bids_sr.diffusion.axis_permutations import EXPECTED
from bids_sr.diffusion.gradient_check import (
    NOT_CHECKED,
    NOT_DECIDED,
    corrected_sentence,
    fault_sentence,
)
from bids_sr.quality.metric_spec import number

VERDICT = "gradients_verdict"
"""Key of the record, and of the light."""


def gradient_sentence(record: Mapping[str, Any]) -> str:
    """Describe the result of the gradient-table check, and what to do about it.

    Parameters
    ----------
    record : mapping
        The run's record.

    Returns
    -------
    str
        One or two sentences; empty if it was not checked.
    """
    verdict = str(record.get(VERDICT) or NOT_CHECKED)
    if verdict == NOT_CHECKED:
        return ""
    if verdict == NOT_DECIDED:
        reason = str(record.get("gradients_note") or "The evidence is not clear.")
        return f"Whether the gradient table fits the image could not be decided. {reason}"
    if verdict == EXPECTED:
        return f"The gradient table fits the image{_metrics(record)}."
    if record.get("gradients_fixed") is True:
        return f"{corrected_sentence(verdict)}{_evidence(record)}"
    return f"{fault_sentence(verdict)}{_evidence(record)}"


def is_faulty(record: Mapping[str, Any]) -> bool:
    """Return whether the table of the input was found wrong, corrected or not."""
    verdict = str(record.get(VERDICT) or NOT_CHECKED)
    return verdict not in (EXPECTED, NOT_CHECKED, NOT_DECIDED)


def _evidence(record: Mapping[str, Any]) -> str:
    found, best = (number(record.get(f"gradients_coherence{end}")) for end in ("", "_best"))
    if found is None or best is None:
        return ""
    return (
        f" Fibre coherence is {found:.2f} with the table as supplied, {best:.2f} with "
        "the corrected one."
    )


def _metrics(record: Mapping[str, Any]) -> str:
    found = number(record.get("gradients_coherence"))
    return "" if found is None else f" (fibre coherence: {found:.2f})"
