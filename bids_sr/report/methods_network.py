"""Sentences of the methods text: what the network is, what it learned from, whether it helped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bids_sr.quality.gain import HARMED, HELPED, NO_GAIN, SELF_CHECK, gain
from bids_sr.quality.metric_spec import is_known

_SCAN = re.compile(r"(sub-[A-Za-z0-9]+)(_[A-Za-z0-9]+-[A-Za-z0-9]+)*$")
"""An entry of a model card's data that names a scan; the others are credits."""
_DEGRADATIONS = {
    "kspace": "cutting out the central part of k-space",
    "kspace-tukey": "cutting out the central part of k-space with a Tukey window",
    "box": "averaging over blocks of pixels",
    "resize-cubic": "cubic resampling",
}
_VERDICTS = {
    HELPED: "The network helped in this run",
    NO_GAIN: "The network was no clear help in this run",
    HARMED: "The network was worse than interpolation in this run",
}
_GAINS = (
    ("psnr_b0", "PSNR of the b0s", "dB"),
    ("psnr_dwi", "PSNR of the diffusion-weighted volumes", "dB"),
    ("fa_mae", "error of FA", "%"),
    ("md_mae", "error of MD", "%"),
)


def architecture(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how a network that sees the series works; nothing of other networks."""
    if not any(_sees_series(model) for model in models):
        return []
    return [
        "For each slice and shell it reads the mean b0, the mean over directions and the "
        "coefficients of the signal in real spherical harmonics of degree 2 (Descoteaux et al., "
        "2007), and gives for each of these the detail to be added and kernels that weight the "
        "measured pixels around (kernel prediction; Mildenhall et al., 2018); the volumes are put "
        "together from these along their own directions."
    ]


def works_of(models: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the works that `architecture` cites, by their short names."""
    return {"harmonics", "kernels"} if architecture(models) else set()


def training(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what each network was trained on, as far as its card does."""
    told = []
    for model in models:
        facts = [part for part in (_size(model), _coarsened(model), _loss(model)) if part]
        if facts:
            told.append(f"{model.get('name', 'It')} was trained {', '.join(facts)}.")
    return list(dict.fromkeys(told))


def selfcheck_result(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say in how many runs the network helped, and by how much in the middle one."""
    checked = [record for record in records if is_known(record.get(f"{SELF_CHECK}_verdict"))]
    checked = [record for record in checked if record[f"{SELF_CHECK}_verdict"]]
    if not checked:
        return []
    helped = sum(record[f"{SELF_CHECK}_verdict"] == HELPED for record in checked)
    changes = []
    for metric, name, unit in _GAINS:
        found = [value for record in checked if (value := gain(record, metric)) is not None]
        if not found:
            continue
        change = median(found) if unit == "dB" else -100 * median(found)
        digits = 1 if unit == "dB" else 0
        changes.append(f"{name} {change:+.{digits}f} {unit}")
    said = f"The network helped in {helped} of {len(checked)} runs"
    if len(checked) == 1:
        said = _VERDICTS.get(str(checked[0][f"{SELF_CHECK}_verdict"]), said)
    middle = "median change" if len(checked) > 1 else "change"
    told = f"; {middle} against the best interpolation: {', '.join(changes)}" if changes else ""
    return [f"{said}{told}."]


def _sees_series(model: Mapping[str, Any]) -> bool:
    built = model.get("architecture")
    return isinstance(built, Mapping) and built.get("class") == "SeriesNetwork"


def _size(model: Mapping[str, Any]) -> str:
    data = model.get("data")
    listed = data if isinstance(data, list | tuple) else ()
    scans = [match for entry in listed if (match := _SCAN.match(str(entry)))]
    if not scans:
        return ""
    people = len({match[1] for match in scans})
    told = f"on {len(scans)} scan{'s' * (len(scans) > 1)} of {people} "
    told += "people" if people > 1 else "person"
    bvals = model.get("b_values")
    shells = [str(b) for b in bvals] if isinstance(bvals, list | tuple) else []
    return f"{told} (b = {', '.join(shells)} s/mm²)" if shells else told


def _coarsened(model: Mapping[str, Any]) -> str:
    given = model.get("degradation")
    if not is_known(given):
        return ""
    ways = [_DEGRADATIONS.get(part, f"'{part}'") for part in str(given).split("+")]
    return f"made coarser by {' and '.join(ways)}"


def _loss(model: Mapping[str, Any]) -> str:
    return f"with the loss {model['loss']}" if is_known(model.get("loss")) else ""
