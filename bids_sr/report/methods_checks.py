"""Sentences of the methods text on the checks: gradients, noise, the self-check's result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from bids_sr.diffusion.axis_permutations import EXPECTED
from bids_sr.diffusion.gradient_check import NOT_CHECKED, NOT_DECIDED
from bids_sr.quality.gain import (
    HARMED,
    HELPED,
    MINUS,
    NETWORK,
    NO_GAIN,
    SELF_CHECK,
    gain,
    key_of,
)
from bids_sr.quality.gradient_light import VERDICT, is_faulty
from bids_sr.quality.metric_spec import number
from bids_sr.report.wording import counted, distinct, joined

Records = Sequence[Mapping[str, Any]]

MEASURED = {"mppca": "sigma_mppca", "piesno": "sigma_piesno", "ndc": "ndc_sr"}
"""Citations for a metric, by the metric's key in the record."""
_NOISE = {
    "mppca": "MP-PCA (Veraart et al., 2016)",
    "piesno": "PIESNO (Koay et al., 2009)",
}
PLANNED = "planned"
"""In place of a verdict in the record of a run that is not processed yet."""
_DB = {"psnr_b0": "b = 0 images", "psnr_dwi": "diffusion-weighted images"}
_ERRORS = {
    "fa_mae": "fractional anisotropy",
    "md_mae": "mean diffusivity",
    "v1_deg": "the principal direction",
}
_LEFT = {
    "left_b0": "b = 0 images",
    "left_mean": "the mean over directions",
    "left_l2": "the differences between directions",
}
_RESULTS = {
    HELPED: "better than interpolation",
    NO_GAIN: "not clearly better than interpolation",
    HARMED: "worse than interpolation",
}


def gradients(records: Records) -> list[str]:
    """Describe how the gradient tables were checked, and the result.

    Parameters
    ----------
    records : sequence of mapping
        The runs' quality records.

    Returns
    -------
    list of str
        Sentences; none if nothing was checked.
    """
    checked = [record for record in records if _verdict(record) not in ("", NOT_CHECKED)]
    if not checked:
        return []
    text = [
        "The gradient table of each run was checked against its images by the continuity of "
        "fibers (Aganj, 2018), over all permutations and sign changes of the axes."
    ]
    faulty = [record for record in checked if is_faulty(record) and _is_decided(record)]
    fixed = [record for record in faulty if record.get("gradients_fixed") is True]
    wrong = [record for record in faulty if record not in fixed]
    open_ = [record for record in checked if _verdict(record) == NOT_DECIDED]
    for some, end in (
        (fixed, "and was corrected before processing"),
        (wrong, "and was used unchanged"),
    ):
        if some:
            faults = "; ".join(distinct(some, VERDICT))
            text.append(f"In {counted(len(some), 'run')} the table did not fit ({faults}) {end}.")
    if open_:
        text.append(f"In {counted(len(open_), 'run')} the check was inconclusive.")
    if all(_verdict(record) == EXPECTED for record in checked):
        text.append("No error was found.")
    return text


def _verdict(record: Mapping[str, Any]) -> str:
    return str(record.get(VERDICT) or "")


def _is_decided(record: Mapping[str, Any]) -> bool:
    """Return whether there is a verdict yet, rather than only a plan for one."""
    return _verdict(record) != PLANNED


def quality(records: Records, measured: set[str]) -> list[str]:
    """Describe what was measured of the images.

    Parameters
    ----------
    records : sequence of mapping
        The runs' quality records.
    measured : set of str
        Those of `MEASURED` that the records hold.

    Returns
    -------
    list of str
        Sentences.
    """
    text = []
    noise = [_NOISE[name] for name in ("mppca", "piesno") if name in measured]
    if noise:
        text.append(f"Noise in the acquired images was estimated by {joined(noise, 'and')}.")
    if "ndc" in measured:
        text.append(
            "Agreement between volumes was measured by the neighboring DWI correlation (Yeh et "
            "al., 2019)."
        )
    return [*text, *_self_check(records)]


def _self_check(records: Records) -> list[str]:
    checked = [record for record in records if _judged(record)]
    if not checked:
        return []
    done = [r for r in checked if _judged(r) in _RESULTS]
    how = (
        "As an internal validation, each run was reduced in resolution once more by the same "
        "factor (cropping k-space), super-resolved, and compared with the acquired images, as were "
        "linear, cubic and sinc interpolation."
    )
    unchecked = len(records) - len(done)
    missing = [f"{counted(unchecked, 'run')} could not be validated."] if done and unchecked else []
    return [how, *(_result(done) if done else []), *missing]


def _judged(record: Mapping[str, Any]) -> str:
    return str(record.get(f"{SELF_CHECK}_verdict") or "")


def _result(records: Records) -> list[str]:
    found = Counter(_judged(record) for record in records)
    if len(records) == 1:
        (verdict,) = found
        text = [f"By the criteria of bids_sr, the network was {_RESULTS[verdict]}."]
    else:
        counts = [f"{words} in {found[key]}" for key, words in _RESULTS.items() if found[key]]
        text = [
            f"By the criteria of bids_sr, the network was {joined(counts, 'and')} of "
            f"{len(records)} runs."
        ]
    return text + _gains(records)


def _gains(records: Records) -> list[str]:
    """Describe the gains: over several runs, the median and range."""
    over = "" if len(records) == 1 else " (median and range over runs)"
    decibels = _each(_DB, lambda metric: _spread(_scaled(records, metric), "+.1f", " dB"))
    errors = _each(_ERRORS, lambda metric: _spread(_scaled(records, metric, -100), "+.0f", "%"))
    left = _each(_LEFT, lambda metric: _spread(_left(records, metric), ".2f"))
    text = []
    if decibels:
        text.append(
            "Relative to the best interpolation, the peak signal-to-noise ratio changed by "
            f"{decibels}{over}."
        )
    if errors:
        text.append(f"Errors of the tensor maps changed by {errors}{over}.")
    if left:
        text.append(
            "Of the detail that the reduced images lack, corrected for noise, the share left "
            f"unexplained was {left}{over}; it is 1 for sinc interpolation."
        )
    return text


def _each(names: Mapping[str, str], told: Callable[[str], str]) -> str:
    parts = [f"{text} for {name}" for metric, name in names.items() if (text := told(metric))]
    return joined(parts, "and") if parts else ""


def _scaled(records: Records, metric: str, scale: float = 1) -> list[float]:
    return [scale * value for record in records if (value := gain(record, metric)) is not None]


def _left(records: Records, metric: str) -> list[float]:
    """Return the shares left unexplained, of the runs where there is something to explain."""
    found = [
        number(record.get(key_of(metric, NETWORK)))
        for record in records
        if gain(record, metric) is not None
    ]
    return [value for value in found if value is not None]


def _spread(values: Sequence[float], form: str, unit: str = "") -> str:
    if not values:
        return ""
    ends = (median(values), min(values), max(values))
    middle, low, high = (f"{value:{form}}{unit}".replace("-", MINUS) for value in ends)
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"
