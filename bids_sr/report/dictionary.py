"""What each column of the group table means: the glossary, and what it leaves to others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from bids_sr.diffusion.exchanges import EXPECTED, WORLD_LPS, WORLD_RAS, signed_exchanges
from bids_sr.diffusion.gradient_check import NOT_CHECKED, NOT_DECIDED
from bids_sr.report.glossary import MetricSpec, lookup, versioned_package

NAME = "bids_name"
"""First column of the table: unique, also where a run was processed twice."""

LEVELS: dict[str, dict[str, str]] = {
    "qc_status": {
        "pass": "No light is yellow or red.",
        "warn": "Something deserves a look.",
        "fail": "Do not use it before you have looked.",
        "unknown": "Could not be judged.",
    },
    "selfcheck_verdict": {
        "helped": "On a coarser copy of this scan the network was better than interpolation.",
        "no gain": "It was no better than interpolation.",
        "harmed": "It was worse than interpolation.",
    },
    "selfcheck_verdict_noisy": {
        "helped": "Better than interpolation where the coarser copy was as noisy as the scan.",
        "no gain": "No better than interpolation.",
        "harmed": "Worse than interpolation.",
    },
    "gradients_verdict": {
        **{table.words: f"To mend it, {table.edit}." for table in signed_exchanges()},
        **dict.fromkeys(
            (WORLD_RAS, WORLD_LPS), "It lies along the axes of the scanner, not of the image."
        ),
        EXPECTED: "The gradient table fits the image.",
        NOT_DECIDED: "The evidence is not clear.",
        NOT_CHECKED: "The check was switched off (--gradient-check off).",
    },
    "slice_axis": {"0": "i", "1": "j", "2": "k"},
}
"""Columns that hold one of a few values, and what these mean."""

_UNKNOWN = "A metric unknown to this version; another version wrote it."

_WORDS = {
    entry.key: entry
    for entry in (
        MetricSpec(NAME, "Name", "Name of the output up to desc-sr; each row has its own."),
        MetricSpec("run", "Run", "Name of the source image."),
        MetricSpec("subject", "Participant", "Label of the participant, without sub-."),
        MetricSpec("session", "Session", "Label of the session, without ses-."),
        MetricSpec("acquisition", "Acquisition", "Label of the acquisition (acq)."),
        MetricSpec("notes", "Notes", "What was out of the ordinary while the run was processed."),
        MetricSpec("dti_skipped_reason", "No tensor fit because", "Empty if a tensor was fitted."),
        MetricSpec("gqi_skipped_reason", "No GQI because", "Empty if GQI was done."),
        MetricSpec("qc_status", "Quality", "The worst light of the run's report."),
        MetricSpec(
            "qc_reasons", "Reasons", "Why the quality is not 'pass'; separated by semicolons."
        ),
        MetricSpec(
            "selfcheck_verdict",
            "Self-check",
            "The scan is coarsened, super-resolved and compared with itself: whether the network "
            "came closer to it than interpolation did.",
        ),
        MetricSpec(
            "selfcheck_verdict_noisy",
            "Self-check, noise put back",
            "The same with as much noise in the coarsened scan as the scan has: coarsening takes "
            "half of it away, or two thirds.",
        ),
        MetricSpec("selfcheck_volumes", "Self-check, volumes", "Volumes that the self-check used."),
        MetricSpec("selfcheck_slices", "Self-check, slices", "Slices that the self-check used."),
        MetricSpec("selfcheck_reason", "No self-check because", "Empty if there was one."),
        MetricSpec("selfcheck_note", "Self-check, limits", "What limits its metrics."),
        MetricSpec(
            "selfcheck_left_note",
            "Self-check, limits of what is left",
            "Whose noise stands for another's, and what could not be measured.",
        ),
        MetricSpec(
            "selfcheck_mode", "Self-check, extent", "auto: some slices and volumes; full: all."
        ),
        MetricSpec("selfcheck_seconds", "Self-check, time", "How long it took.", "s", 1),
        MetricSpec("peak_memory_gb", "Peak memory", "Most memory that the run held.", "GB", 1),
        MetricSpec(
            "seconds_total", "Time in all", "From the first step of the run to the last.", "s"
        ),
    )
}

_CHECKED = {
    "psnr_b0": ("PSNR at b = 0", "Peak signal-to-noise ratio; higher is better.", "dB", 2),
    "psnr_dwi": ("PSNR of DWIs", "Peak signal-to-noise ratio; higher is better.", "dB", 2),
    "ssim_dwi": ("SSIM of DWIs", "Structural similarity; 1 is the same.", "", 4),
    "fa_mae": ("error of FA", "Mean absolute error; lower is better.", "", 4),
    "md_mae": ("error of MD", "Mean absolute error; lower is better.", "10⁻³ mm²/s", 4),
    "v1_deg": ("error of V1", "Median angle to the true direction; lower is better.", "°", 2),
    "left_b0": (
        "detail of b = 0 left unexplained",
        "Share of the high frequencies, noise taken out: 1 where nothing was added, 0 where all "
        "of it is right.",
        "",
        3,
    ),
    "left_mean": (
        "detail of the mean DWI left unexplained",
        "The same of what all directions of a shell share.",
        "",
        3,
    ),
    "left_l2": (
        "directional detail left unexplained",
        "The same of what differs between directions (l = 2).",
        "",
        3,
    ),
}
METHODS = ("linear", "cubic", "sinc", "network")
"""What the self-check compares."""
_NOISE, _NOISY = "noise", "noisy"
SELF_CHECK = re.compile(rf"selfcheck_({'|'.join(_CHECKED)})(?:_({'|'.join(METHODS)}|{_NOISE}))?$")
"""Keys of the self-check's metrics: metric and method; none: the network, of what is left."""
GAIN = re.compile(rf"selfcheck_gain_({'|'.join(_CHECKED)})_{_NOISY}$")
"""Keys of its gains where the scan's noise was put back."""


def describe(key: str) -> MetricSpec:
    """Return the entry of any column; what nobody knows is called by its key.

    Parameters
    ----------
    key : str
        Key of a record, or ``bids_name``.

    Returns
    -------
    MetricSpec
        Its meaning is never empty.

    Examples
    --------
    >>> describe("selfcheck_fa_mae_sinc").label
    'Self-check, error of FA, sinc'
    >>> describe("torch_version").label
    'torch'
    """
    entry = lookup(key)
    if entry.label == key:
        entry = _WORDS.get(key) or _checked(key) or _package(key) or entry
    if entry.meaning:
        return entry
    meaning = _UNKNOWN if entry.label == key else f"{entry.label}."
    return MetricSpec(
        key, entry.label, meaning, entry.unit, entry.decimals, entry.percent, entry.optional
    )


def is_described(key: str) -> bool:
    """Tell whether there are words for a key."""
    return describe(key).meaning != _UNKNOWN


def sidecar(columns: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the data dictionary of a table, as BIDS wants it beside a tabular file.

    Parameters
    ----------
    columns : iterable of str

    Returns
    -------
    dict
        For each column ``LongName``, ``Description``, and where apt ``Units``
        and ``Levels``.
    """
    return {column: _described(column) for column in columns}


def _described(column: str) -> dict[str, Any]:
    entry = describe(column)
    told: dict[str, Any] = {"LongName": entry.label, "Description": entry.meaning}
    if entry.percent:
        told["Description"] += " A fraction: 0.01 is one percent."
    elif entry.unit:
        told["Units"] = entry.unit
    if column in LEVELS:
        told["Levels"] = LEVELS[column]
    return told


def _checked(key: str) -> MetricSpec | None:
    if gain := GAIN.match(key):
        return _gain(key, gain[1])
    match = SELF_CHECK.match(key)
    if not match:
        return None
    metric, method = match[1], match[2] or "network"
    label, meaning, unit, decimals = _CHECKED[metric]
    name = f"Self-check, {label}, {'noise alone' if method == _NOISE else method}"
    if method != _NOISE:
        where = "Against the scan itself, from a coarser copy of it."
    elif metric.startswith("left_"):
        meaning, where = (
            "Share of it that is the scan's own noise;",
            "above 0.8 the metric is left out.",
        )
    else:
        where = "What a perfect result would show, since the scan is noisy itself."
    return MetricSpec(key, name, f"{meaning} {where}", unit, decimals)


def _gain(key: str, metric: str) -> MetricSpec:
    label, _, unit, decimals = _CHECKED[metric]
    relative = metric in ("fa_mae", "md_mae", "v1_deg")
    return MetricSpec(
        key,
        f"Self-check, gain in {label}, noise put back",
        "By how much the network beats the best interpolation where the coarsened scan is as "
        "noisy as the scan; below 0 it is worse.",
        "" if relative else unit,
        decimals,
        percent=relative,
    )


def _package(key: str) -> MetricSpec | None:
    package = versioned_package(key)
    return MetricSpec(key, package, f"Version of {package} that was used.") if package else None
