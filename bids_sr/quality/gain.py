"""The result of the self-check: whether the network helped or harmed on this scan."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bids_sr.quality.metric_spec import number

SELF_CHECK = "selfcheck"
"""Prefix of the self-check's keys."""
NETWORK = "network"
"""The method under test."""
CLASSICAL = ("linear", "cubic", "sinc")
"""The methods it is compared with: for each metric, the best of them."""
NOISE = "noise"
"""In place of a method: the error caused by the reference's noise alone; for unexplained
detail, the share of noise in the reference."""
LEFT = ("left_b0", "left_mean", "left_l2")
"""Shares of the high band left unexplained (`bids_sr.quality.high_band`)."""
SELF_CHECK_METRICS = ("psnr_b0", "psnr_dwi", "ssim_dwi", "fa_mae", "md_mae", "v1_deg", *LEFT)
"""What is compared; the first three are better when higher."""
HIGHER_IS_BETTER = ("psnr_b0", "psnr_dwi", "ssim_dwi")

HELPED, NO_GAIN, HARMED = "helped", "no gain", "harmed"

IMAGES: Mapping[str, str] = {"psnr_dwi": "weighted volumes", "psnr_b0": "b0s"}
"""Image metrics that decide the verdict, and what they measure."""
MAPS: Mapping[str, str] = {"fa_mae": "FA", "md_mae": "MD", "v1_deg": "V1"}
"""Tensor-map metrics that decide the verdict, and what they measure."""
DETAIL: Mapping[str, str] = {
    "left_b0": "b0s",
    "left_mean": "mean over directions",
    "left_l2": "differences between directions",
}
"""Shares of unexplained detail that decide the verdict, and what they measure."""
GROUPS = (IMAGES, MAPS, DETAIL)
MARGINS: Mapping[str, float] = {
    "psnr_dwi": 0.3,
    "psnr_b0": 0.3,
    "fa_mae": 0.03,
    "md_mae": 0.06,
    "v1_deg": 0.02,
    "left_b0": 0.05,
    "left_mean": 0.15,
    "left_l2": 0.04,
}
"""Gains (dB; shares of an error; shares of the high band) that count as a difference: how they
were measured is in docs/quality.md, Self-check."""
MINUS = "\N{MINUS SIGN}"
DOUBT = 0.5
"""Share of a margin: a metric worse by more than this rules out "helped"."""


def key_of(metric: str, method: str) -> str:
    """Return the record's key for a metric of a method.

    Without a method in the key, unexplained detail is the network's.

    Examples
    --------
    >>> key_of("fa_mae", "network"), key_of("left_l2", "network"), key_of("left_l2", "cubic")
    ('selfcheck_fa_mae_network', 'selfcheck_left_l2', 'selfcheck_left_l2_cubic')
    """
    if metric in LEFT and method == NETWORK:
        return f"{SELF_CHECK}_{metric}"
    return f"{SELF_CHECK}_{metric}_{method}"


def noisy_gain_key(metric: str) -> str:
    """Return the key of the gain at the scan's noise level."""
    return f"{SELF_CHECK}_gain_{metric}_noisy"


def gain(record: Mapping[str, Any], metric: str) -> float | None:
    """Return how much better the network is than the best classical method.

    What is left unexplained is compared with sinc interpolation, which by definition
    explains nothing.

    Parameters
    ----------
    record : mapping
        Holds the metrics under `key_of`.
    metric : str
        One of `SELF_CHECK_METRICS`.

    Returns
    -------
    float or None
        Above zero where the network is better: the difference for PSNR (dB), SSIM and
        what is left unexplained, the share by which the error falls for the others. None
        if a metric is missing.
    """
    network = number(record.get(key_of(metric, NETWORK)))
    methods = ("sinc",) if metric in LEFT else CLASSICAL  # sinc is the origin: it leaves all
    found = [number(record.get(key_of(metric, method))) for method in methods]
    classical = [value for value in found if value is not None]
    if network is None or not classical:
        return None
    if metric in HIGHER_IS_BETTER:
        return network - max(classical)
    best = min(classical)
    if metric in LEFT:
        return best - network
    return 1 - network / best if best > 0 else None


def evidence(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the gain of each metric that decides, in units of its margin.

    Parameters
    ----------
    record : mapping
        Holds the metrics under `key_of`.

    Returns
    -------
    dict of str to float
        Of the metrics in `MARGINS` that were measured.
    """
    gains = {metric: gain(record, metric) for metric in MARGINS}
    return {key: value / MARGINS[key] for key, value in gains.items() if value is not None}


def selfcheck_verdict(record: Mapping[str, Any]) -> str:
    """Return the verdict of a self-check, from the combined evidence of its metrics.

    Metrics come in three groups: images, tensor maps, detail (`GROUPS`). Each counts as
    its gain in margins, so that 1 is a clear difference; a group of k metrics as the sum of
    theirs over the root of k, as errors add up (Stouffer).

    - Harmed: a metric, or a group, is below -1.
    - Helped: each group that was measured is above 1, and no metric below -1/2.
    - No gain: neither.

    Missing metrics do not count; without a PSNR of the weighted volumes there is no
    verdict.

    Parameters
    ----------
    record : mapping
        Holds the metrics under `key_of`.

    Returns
    -------
    str
        ``helped``, ``no gain``, ``harmed``, or ``""``.
    """
    found = evidence(record)
    if "psnr_dwi" not in found:
        return ""
    sums = [_sum(list(group.values())) for group in _measured(found)]
    if min(found.values()) < -1 or min(sums) < -1:
        return HARMED
    return HELPED if min(sums) > 1 and min(found.values()) >= -DOUBT else NO_GAIN


def _measured(found: Mapping[str, float]) -> list[dict[str, float]]:
    groups = [{key: found[key] for key in group if key in found} for group in GROUPS]
    return [group for group in groups if group]


def _sum(values: Sequence[float]) -> float:
    return sum(values) / math.sqrt(len(values))


def harms(record: Mapping[str, Any]) -> list[str]:
    """List the metrics in which the network is worse than the best classical method.

    Parameters
    ----------
    record : mapping
        Holds the metrics under `key_of`.

    Returns
    -------
    list of str
        Phrases: metrics worse by more than their margin; in a group that is worse overall,
        all that are worse.
    """
    found = evidence(record)
    worse = {key for key, value in found.items() if value < -1}
    for group in _measured(found):
        if _sum(list(group.values())) < -1:
            worse |= {key for key, value in group.items() if value < 0}
    return _told(record, [key for key in SELF_CHECK_METRICS if key in worse])


def gain_sentence(record: Mapping[str, Any]) -> str:
    """Summarise the self-check in one or two sentences, or say why there was none.

    If the network helps only a copy with less noise than the scan, that is said first.

    Parameters
    ----------
    record : mapping
        Of a run.

    Returns
    -------
    str
        Empty if the record has no self-check.
    """
    verdict = record.get(f"{SELF_CHECK}_verdict")
    if verdict not in (HELPED, NO_GAIN, HARMED):
        reason = record.get(f"{SELF_CHECK}_reason")
        return f"There was no self-check. {reason}" if reason else ""
    said = {
        HELPED: "On a coarser copy of this scan, the network beats the best interpolation",
        NO_GAIN: "On a coarser copy of this scan, the network is no better than the best "
        "interpolation",
        HARMED: "On a coarser copy of this scan, the network is worse than the best interpolation",
    }[str(verdict)]
    if verdict == NO_GAIN and any(value > 1 for value in evidence(record).values()):
        said = (
            "On a coarser copy of this scan, the network is not clearly better by every criterion"
        )
    details = harms(record) if verdict == HARMED else _told(record, SELF_CHECK_METRICS)
    parts = [f"{said}: {', '.join(details)}.", _noisy_sentence(record)]
    if helps_only_without_noise(record):
        parts.reverse()
    return " ".join(part for part in parts if part)


def helps_only_without_noise(record: Mapping[str, Any]) -> bool:
    """Return whether the network helps a coarser copy, but harms it at the scan's noise level."""
    found = [record.get(f"{SELF_CHECK}_verdict{end}") for end in ("", "_noisy")]
    return found == [HELPED, HARMED]


def check_note(record: Mapping[str, Any]) -> str:
    """Return what the self-check's table leaves out: why there is none, limits, the noisier copy.

    That the network may have been trained on the participant is a note of the run.

    Parameters
    ----------
    record : mapping
        Of a run.

    Returns
    -------
    str
        Empty if there is nothing to say.
    """
    if record.get(f"{SELF_CHECK}_verdict") not in (HELPED, NO_GAIN, HARMED):
        return gain_sentence(record)
    note = str(record.get(f"{SELF_CHECK}_note") or "")
    return " ".join(part for part in (note, _noisy_sentence(record)) if part)


def headline(record: Mapping[str, Any]) -> tuple[str, str]:
    """Summarise in a few words whether the network helped, and by how much.

    Parameters
    ----------
    record : mapping
        Of a run.

    Returns
    -------
    lead, details : str
        ``Helped on this scan`` and the gains over the best interpolation; the reason
        where there was no self-check.
    """
    verdict = str(record.get(f"{SELF_CHECK}_verdict") or "")
    lead = {
        HELPED: "Helped on this scan",
        NO_GAIN: "No clear gain on this scan",
        HARMED: "Worse than interpolation on this scan",
    }.get(verdict)
    if lead is None:
        reason = str(record.get(f"{SELF_CHECK}_reason") or "")
        return "Not known whether it helped", f"there was no self-check. {reason}".strip()
    if helps_only_without_noise(record):
        lead = "Helped on this scan, but not at its full noise level"
    return lead, f"{', '.join(_in_short(record))}."


def _in_short(record: Mapping[str, Any]) -> list[str]:
    told = [
        f"{name} {_signed(value, '.1f')} dB"
        for metric, name in (("psnr_b0", "b0"), ("psnr_dwi", "DWI"))
        if (value := gain(record, metric)) is not None
    ]
    left = number(record.get(key_of("left_l2", NETWORK)))
    if left is not None and gain(record, "left_l2") is not None:
        told.append(f"directional detail {left:.2f} of interpolation's error")
    told += [
        f"{MAPS[metric]} error {_signed(-100 * value, '.0f')} %"
        for metric in ("md_mae",)
        if (value := gain(record, metric)) is not None
    ]
    return told


def _signed(value: float, form: str) -> str:
    """Return a number with its sign, except where it is printed as zero.

    Examples
    --------
    >>> _signed(1.25, ".1f"), _signed(-0.01, ".1f")
    ('+1.2', '0.0')
    """
    text = f"{abs(value):{form}}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def _noisy_sentence(record: Mapping[str, Any]) -> str:
    verdict = record.get(f"{SELF_CHECK}_verdict_noisy")
    gains = {metric: number(record.get(noisy_gain_key(metric))) for metric in MARGINS}
    told = [
        _in_words(metric, value)
        for metric, value in gains.items()
        if value is not None and (metric not in DETAIL or value < 0)
    ]
    if not verdict or not told:
        return ""
    said = {
        HELPED: "With the noise level of the scan, it helps as well",
        NO_GAIN: "With the noise level of the scan, there is no clear gain",
        HARMED: "With the noise level of the scan, the network is worse than interpolation",
    }.get(str(verdict), "With the noise level of the scan")
    return f"{said}: {', '.join(told)}."


def _told(record: Mapping[str, Any], metrics: Iterable[str]) -> list[str]:
    gains = {metric: gain(record, metric) for metric in metrics if metric in MARGINS}
    known = {metric: value for metric, value in gains.items() if value is not None}
    told = [_in_words(metric, value) for metric, value in known.items() if metric not in DETAIL]
    left = [
        f"{DETAIL[metric]} {record[key_of(metric, NETWORK)]:.2f}"
        for metric in known
        if metric in DETAIL
    ]
    return [*told, *([f"unexplained detail (1 for sinc): {', '.join(left)}"] if left else [])]


def _in_words(metric: str, value: float) -> str:
    if metric in IMAGES:
        return f"PSNR of the {IMAGES[metric]} {value:+.2f} dB"
    if metric in MAPS:
        change = f"{-100 * value:+.0f} %"
        return f"{MAPS[metric]} error {'0 %' if change in ('-0 %', '+0 %') else change}"
    return f"unexplained detail of the {DETAIL[metric]} {-value:+.2f}"
