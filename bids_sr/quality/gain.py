"""What the self-check says: whether the network helped this scan, or harmed it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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

IMAGES: Mapping[str, str] = {"psnr_dwi": "weighted volumes", "psnr_b0": "b0s"}
"""Figures of the images that decide, with what they are of."""
MAPS: Mapping[str, str] = {"fa_mae": "FA", "md_mae": "MD"}
"""Figures of the tensor maps that decide, with what they are of."""
MARGINS: Mapping[str, float] = {"psnr_dwi": 0.3, "psnr_b0": 0.3, "fa_mae": 0.03, "md_mae": 0.06}
"""Gains (dB; shares of an error) that count as a difference: how they were measured is
in docs/quality.md, Self-check."""


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

    Harmed: one of the figures in `IMAGES` or `MAPS` is worse than that of the best
    classical method by more than its margin. Helped: none is, and at least one of the
    images and, where a tensor was fitted, one of the maps is better by more than its
    margin. What was not measured does not count; without a PSNR of the weighted volumes
    there is no verdict.

    Parameters
    ----------
    record : mapping
        Holds ``selfcheck_<figure>_<method>``.

    Returns
    -------
    str
        ``helped``, ``no gain``, ``harmed``, or ``""``.
    """
    if gain(record, "psnr_dwi") is None:
        return ""
    if harms(record):
        return HARMED
    images, maps = (
        [value > MARGINS[key] for key in keys if (value := gain(record, key)) is not None]
        for keys in (IMAGES, MAPS)
    )
    return HELPED if any(images) and (any(maps) or not maps) else NO_GAIN


def harms(record: Mapping[str, Any]) -> list[str]:
    """Say in which figures the network is worse than the best classical method.

    Parameters
    ----------
    record : mapping
        Holds ``selfcheck_<figure>_<method>``.

    Returns
    -------
    list of str
        One part of a sentence each; none where the difference is within its margin.
    """
    worse = [
        key for key in MARGINS if (value := gain(record, key)) is not None and value < -MARGINS[key]
    ]
    return _told(record, worse)


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
    details = harms(record) if verdict == HARMED else _told(record, FIGURES)
    return f"{said}: {', '.join(details)}. {note}".strip()


def _told(record: Mapping[str, Any], figures: Iterable[str]) -> list[str]:
    names = {**MAPS, "v1_deg": "V1"}
    told = []
    for figure in figures:
        value = gain(record, figure)
        if value is not None and figure in IMAGES:
            told.append(f"PSNR of the {IMAGES[figure]} {value:+.2f} dB")
        elif value is not None and figure in names:
            told.append(f"{names[figure]} error {-value:+.0%}")
    return told


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None
