"""The summary at the top of a run: a verdict, a light per metric, the self-check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from bids_sr.quality.gain import NOISE, key_of
from bids_sr.report.glossary import MetricSpec, is_known, is_number, lookup
from bids_sr.report.tables import tidy

WORDS = {"pass": "good", "warn": "look", "fail": "bad", "unknown": "not judged"}
"""A word for each status, beside its colour and shape."""
_SENTENCES = {
    "pass": "Nothing that could be judged speaks against using this output.",
    "warn": "Usable, but look at the points below first.",
    "fail": "Do not use this output before the points below are understood.",
    "unknown": "Not everything could be judged; what could be judged raises no concern.",
}
_NOTHING = "This run has not been judged."
_WORST_FIRST = ("fail", "warn", "unknown", "pass")

_JUDGED = {
    entry.key: entry
    for entry in (
        MetricSpec(
            "selfcheck_verdict",
            "Self-check",
            "The scan is made coarser by the factor, super-resolved, and compared with itself "
            "beside plain interpolation: does the network help on this kind of scan?",
        ),
        MetricSpec(
            "grid_dwi",
            "Grid in weighted volumes",
            "A pattern locked to the voxel grid, which no anatomy makes: variance between the "
            "cells of a folded lattice over that within (F). About 1 without a grid.",
            decimals=2,
        ),
        MetricSpec(
            "gradients_verdict",
            "Gradient table",
            "Whether the directions of the gradient table lie along the axes of the image, by how "
            "the fibres go on in their own direction; x, y and z are the voxel axes i, j and k.",
        ),
        MetricSpec("grid_fa", "Grid in FA", "The same in the map of FA.", decimals=2),
        MetricSpec(
            "nonfinite_dwi_fraction_sr",
            "Values that are no numbers",
            "Share of the output that is infinite or not a number; it must be 0.",
            percent=True,
        ),
        MetricSpec(
            "dc_bias",
            "Bias against the measurement",
            "Largest brightening or darkening of a shell, cut back to the acquired resolution.",
            percent=True,
        ),
        MetricSpec(
            "n_bad_slices",
            "Damaged slices in the input",
            "Slices with lines or dropouts that the other volumes do not have.",
            decimals=0,
        ),
        MetricSpec(
            "wm_fa_shift", "Shift of FA", "Change of the median FA in white matter.", decimals=3
        ),
        MetricSpec(
            "wm_md_shift", "Shift of MD", "Change of the median MD in white matter.", percent=True
        ),
        MetricSpec(
            "input_band",
            "Measured band of the input",
            "Whether the scanner, or a program, had interpolated the input already.",
        ),
        MetricSpec(
            "input_zooms_mm", "Voxel size", "Whether the network knows this voxel size.", unit="mm"
        ),
        MetricSpec("shells", "b-values", "Whether the network knows these b-values.", unit="s/mm²"),
        MetricSpec("snr_b0", "Noise", "Whether the network knows this signal-to-noise ratio."),
    )
}
"""Names of the lights; others are named as in the glossary."""

METHODS = ("linear", "cubic", "sinc", "network")
"""Methods of the self-check ..."""
COLUMNS = (*METHODS, "noise alone")
"""... and its columns."""
_LEFT = (
    "Share of the high frequencies that is missing or wrong, the scan's noise taken out: 1 where "
    "nothing was added, 0 where all is right. Under 'noise alone': the share of noise in it."
)
_CHECKED = (
    MetricSpec("psnr_b0", "PSNR, b = 0", "Higher is closer to the scan.", "dB", 2),
    MetricSpec("psnr_dwi", "PSNR, weighted volumes", "Higher is closer to the scan.", "dB", 2),
    MetricSpec("ssim_dwi", "SSIM, weighted volumes", "Likeness of structure, at most 1.", "", 4),
    MetricSpec(
        "fa_mae", "Error of FA", "Mean absolute error in the brain; lower is better.", "", 4
    ),
    MetricSpec("md_mae", "Error of MD", "Mean absolute error; lower is better.", "10⁻³ mm²/s", 4),
    MetricSpec("v1_deg", "Error of the main direction", "Median angle; lower is better.", "°", 2),
    MetricSpec("left_b0", "Detail left unexplained, b = 0", _LEFT, "", 2),
    MetricSpec("left_mean", "Detail left unexplained, mean of directions", _LEFT, "", 2),
    MetricSpec("left_l2", "Detail left unexplained, between directions", _LEFT, "", 2),
)
_HIGHER = ("psnr_b0", "psnr_dwi", "ssim_dwi")
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
    """``pass``, ``warn``, ``fail`` or ``unknown``."""
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


def is_summarised(key: str) -> bool:
    """Tell whether a key of the record is shown in the summary, not in the tables."""
    return key.startswith(("selfcheck_", "qc_"))


def _view(light: Any) -> LightView:
    def part(name: str) -> Any:
        return light.get(name) if isinstance(light, Mapping) else getattr(light, name, None)

    key, value = str(part("key")), part("value")
    entry = _JUDGED.get(key) or lookup(key)
    shown = f"{tidy(entry.text(value))} {entry.unit}".strip() if is_known(value) else ""
    return LightView(
        entry.label, _status(part("status")), shown, str(part("text") or ""), entry.meaning
    )


def _status(value: Any) -> str:
    return value if isinstance(value, str) and value in WORDS else "unknown"


def _checked(record: Mapping[str, Any]) -> tuple[Checked, ...]:
    rows = []
    for entry in _CHECKED:
        values = [record.get(key_of(entry.key, method)) for method in METHODS]
        known = [float(value) for value in values if value is not None and is_number(value)]
        if not known:
            continue
        best = max(known) if entry.key in _HIGHER else min(known)
        # what is printed alike is equally good
        cells = [(entry.text(v), entry.text(v) == entry.text(best)) for v in values]
        # no method: what a perfect result would have against a scan that is noisy itself
        cells.append((entry.text(record.get(key_of(entry.key, NOISE))), False))
        label = f"{entry.label} ({entry.unit})" if entry.unit else entry.label
        rows.append(Checked(label, tuple(cells), entry.meaning))
    return tuple(rows)


def _check_note(record: Mapping[str, Any]) -> str:
    if is_known(record.get("selfcheck_reason")):
        return f"There was no self-check. {record['selfcheck_reason']}"
    said = _VERDICTS.get(str(record.get("selfcheck_verdict")), "")
    size = [record.get(f"selfcheck_{part}") for part in ("volumes", "slices")]
    if said and all(is_number(count) for count in size):
        said += f" Measured on {size[0]} volumes and {size[1]} slices."
    return said
