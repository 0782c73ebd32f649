"""What the self-check says: whether the network helped this scan, or harmed it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SELF_CHECK = "selfcheck"
"""How the keys of the self-check begin."""
NETWORK = "network"
"""The method that is judged."""
CLASSICAL = ("linear", "cubic", "sinc")
"""The methods that it is judged against: the best of them, figure by figure."""
FIGURES = ("psnr_b0", "psnr_dwi", "ssim_dwi", "fa_mae", "md_mae", "v1_deg")
"""What is compared; the first three are better when higher."""
HIGHER_IS_BETTER = ("psnr_b0", "psnr_dwi", "ssim_dwi")

HELPED, NO_GAIN, HARMED = "helped", "no gain", "harmed"

PSNR_MARGIN = 0.1
"""dB of PSNR that count as a difference (see docs/quality.md, Self-check)."""
ERROR_MARGIN = 0.03
"""Share of the FA or MD error that counts as a difference."""


def gain(record: Mapping[str, Any], figure: str) -> float | None:
    """Return how much better the network is than the best classical method.

    Parameters
    ----------
    record : mapping
        Holds ``selfcheck_<figure>_<method>``.
    figure : str
        One of `FIGURES`.

    Returns
    -------
    float or None
        Above zero where the network is better: the difference for PSNR (dB) and
        SSIM, the share by which the error falls for the others. None if a figure
        is missing.
    """
    network = _number(record.get(f"{SELF_CHECK}_{figure}_{NETWORK}"))
    found = [_number(record.get(f"{SELF_CHECK}_{figure}_{method}")) for method in CLASSICAL]
    classical = [value for value in found if value is not None]
    if network is None or not classical:
        return None
    if figure in HIGHER_IS_BETTER:
        return network - max(classical)
    best = min(classical)
    return 1 - network / best if best > 0 else None


def selfcheck_verdict(record: Mapping[str, Any]) -> str:
    """Judge the figures of a self-check.

    Harmed: PSNR of the b0s or of the weighted volumes is lower than that of the best
    classical method, or the error of FA or MD is larger, by more than the margin.
    Helped: not harmed, and the PSNR of the weighted volumes is higher by more than
    the margin. What was not measured does not count; without a PSNR of the weighted
    volumes there is no verdict.

    Parameters
    ----------
    record : mapping
        Holds ``selfcheck_<figure>_<method>``.

    Returns
    -------
    str
        ``helped``, ``no gain``, ``harmed``, or ``""``.
    """
    weighted = gain(record, "psnr_dwi")
    if weighted is None:
        return ""
    if harms(record):
        return HARMED
    return HELPED if weighted > PSNR_MARGIN else NO_GAIN


def harms(record: Mapping[str, Any]) -> list[str]:
    """Say in which figures the network is worse than the best classical method.

    Parameters
    ----------
    record : mapping
        Holds ``selfcheck_<figure>_<method>``.

    Returns
    -------
    list of str
        One part of a sentence each.
    """
    told = []
    for figure, name in (("psnr_dwi", "weighted volumes"), ("psnr_b0", "b0s")):
        value = gain(record, figure)
        if value is not None and value < -PSNR_MARGIN:
            told.append(f"PSNR of the {name} {-value:.2f} dB lower")
    for figure, name in (("fa_mae", "FA"), ("md_mae", "MD")):
        value = gain(record, figure)
        if value is not None and value < -ERROR_MARGIN:
            told.append(f"{name} error {-value:.0%} larger")
    return told


def gain_sentence(record: Mapping[str, Any]) -> str:
    """Say in one or two sentences what the self-check found, or why there is none.

    Parameters
    ----------
    record : mapping
        Of a run.

    Returns
    -------
    str
        Empty if the record knows no self-check.
    """
    verdict = record.get(f"{SELF_CHECK}_verdict")
    note = str(record.get(f"{SELF_CHECK}_note") or "")
    if verdict not in (HELPED, NO_GAIN, HARMED):
        reason = record.get(f"{SELF_CHECK}_reason")
        return f"There was no self-check. {reason}" if reason else ""
    said = {
        HELPED: "On this scan, coarsened, the network beats the best interpolation",
        NO_GAIN: "On this scan, coarsened, the network is no better than the best interpolation",
        HARMED: "On this scan, coarsened, the network is worse than the best interpolation",
    }[str(verdict)]
    details = harms(record) if verdict == HARMED else _gains(record)
    return f"{said}: {', '.join(details)}. {note}".strip()


def _gains(record: Mapping[str, Any]) -> list[str]:
    told = []
    for figure, name in (("psnr_dwi", "weighted volumes"), ("psnr_b0", "b0s")):
        value = gain(record, figure)
        if value is not None:
            told.append(f"PSNR of the {name} {value:+.2f} dB")
    for figure, name in (("fa_mae", "FA"), ("md_mae", "MD"), ("v1_deg", "V1")):
        value = gain(record, figure)
        if value is not None:
            told.append(f"{name} error {-value:+.0%}")
    return told


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None
