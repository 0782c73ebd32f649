"""What each metric of a run's record means, in plain words, and how it is printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve

from bids_sr.quality.metric_spec import UNKNOWN, MetricSpec, is_known, is_number
from bids_sr.report.measures import DC_BIAS, DC_NRMSE, GROUPS, PAIRS, PER_SHELL, SINGLE

__all__ = [
    "DC_BIAS",
    "DC_NRMSE",
    "GROUPS",
    "PAIRS",
    "PER_SHELL",
    "PROCESSING",
    "SCAN",
    "SINGLE",
    "TEXTS",
    "UNKNOWN",
    "MetricSpec",
    "is_known",
    "is_number",
    "leftovers",
    "lookup",
    "shell_of",
    "versioned_package",
]

SCAN = (
    MetricSpec("n_volumes", "Volumes"),
    MetricSpec("n_b0", "Volumes at b = 0"),
    MetricSpec("n_directions", "Directions"),
    MetricSpec("shells", "Shells", unit="s/mm²"),
    MetricSpec("input_shape", "Acquired matrix", unit="voxels"),
    MetricSpec("input_zooms_mm", "Acquired voxel", unit="mm"),
    MetricSpec("output_zooms_mm", "Output voxel", unit="mm"),
    MetricSpec("brain_volume_ml", "Brain mask", unit="ml", decimals=0, optional=True),
    MetricSpec("slice_axis", "Slice axis", "Voxel axis across the slices; it is never refined."),
    MetricSpec(
        "acquired_matrix",
        "In-plane matrix, acquired",
        "In-plane pixels that the scanner measured; the factor counts from these.",
        optional=True,
    ),
    MetricSpec(
        "stored_matrix",
        "In-plane matrix, stored",
        "In-plane pixels of the input file. Where they are more than were acquired, the scanner "
        "had filled k-space with zeros, and this was undone first.",
        optional=True,
    ),
    MetricSpec(
        "stored_zooms_mm",
        "Stored voxel size",
        "Voxel size of the input file.",
        unit="mm",
        optional=True,
    ),
    MetricSpec(
        "band_note",
        "Not fully measured",
        "In-plane axes whose highest frequencies hold no signal: the scanner filled k-space with "
        "zeros or filtered the image. There is less to gain than the voxel size suggests.",
        optional=True,
    ),
    MetricSpec(
        "bad_lines",
        "Bad lines and slices",
        "Parts of the input that should not be trusted, volumes and slices counted from 0.",
        optional=True,
    ),
    MetricSpec("n_bad_slices", "Slices with bad parts", optional=True),
    MetricSpec(
        "gradients_verdict",
        "Gradient table",
        "Whether axes or signs of the gradient table are wrong: x, y and z are the voxel axes i, j "
        "and k of the image as stored. Not decided where the evidence is not clear.",
        optional=True,
    ),
    MetricSpec(
        "gradients_coherence",
        "Coherence of the fibres",
        "By how much less the tensor changes along the fibres than by chance, with the gradient "
        "table as it came: about 0 if it does not fit the image.",
        optional=True,
    ),
    MetricSpec(
        "gradients_coherence_best",
        "Largest coherence of the fibres",
        "The same with the table of all that were tried (axes exchanged, signs changed, in the "
        "world's frame) that has the most.",
        optional=True,
    ),
    MetricSpec(
        "gradients_margin",
        "Margin of the gradient check",
        "By how many standard errors the best table is ahead of the next.",
        decimals=1,
        optional=True,
    ),
    MetricSpec("gradients_fixed", "Gradient table corrected", optional=True),
    MetricSpec("gradients_note", "Gradient table not decided because", optional=True),
)
"""What was acquired."""

PROCESSING = (
    MetricSpec("scale_factor", "In-plane factor"),
    MetricSpec("model", "Network"),
    MetricSpec("model_sha256", "Weights, sha256"),
    MetricSpec("data_consistency", "K-space data consistency"),
    MetricSpec(
        "signed",
        "Signed input",
        "Whether the input is real-valued, its noise on both sides of zero, so that the output "
        "keeps the sign; magnitude images are cut off at zero.",
        optional=True,
    ),
    MetricSpec("ensemble", "Turned copies averaged", optional=True),
    MetricSpec("uncertainty", "Self-ensemble SD written", optional=True),
    MetricSpec(
        "input_band",
        "Measured band",
        "Share of the input's in-plane frequencies that hold signal; below 1 the scanner "
        "interpolated.",
        optional=True,
    ),
    MetricSpec("device", "Device"),
    MetricSpec("seconds_superres", "Time for super-resolution", unit="s", decimals=1),
    MetricSpec(
        "seconds_total",
        "Time in all",
        "From the start of super-resolution to the end of judging, pauses included.",
        unit="s",
        decimals=1,
        optional=True,
    ),
    MetricSpec(
        "peak_memory_gb",
        "Most memory taken",
        "By the processes that super-resolved and judged, whichever took more.",
        unit="GB",
        decimals=2,
        optional=True,
    ),
    MetricSpec("slices_per_second", "Speed", unit="slices/s", decimals=1),
    MetricSpec("batch_size", "Batch size", unit="slices", optional=True),
    MetricSpec("version", "bids_sr"),
)
"""What was done, with what."""

TEXTS = (
    "run",
    "subject",
    "session",
    "acquisition",
    "notes",
    "dti_skipped_reason",
    "gqi_skipped_reason",
)
"""Keys that the pages show in words, not in a table."""

_SHELL = {entry.key: entry for entry in PER_SHELL}
_PER_SHELL = re.compile(rf"({'|'.join(_SHELL)})_b(\d+)$")
_VERSION = re.compile(r"(\w+)_version$")


def shell_of(key: str) -> tuple[str, int] | None:
    """Split a per-shell key into its metric and the b-value.

    Examples
    --------
    >>> shell_of("dc_nrmse_b1000")
    ('dc_nrmse', 1000)
    >>> shell_of("model") is None
    True
    """
    match = _PER_SHELL.match(key)
    return (match[1], int(match[2])) if match else None


def versioned_package(key: str) -> str | None:
    """Return the package whose version a key holds.

    Examples
    --------
    >>> versioned_package("torch_version")
    'torch'
    """
    match = _VERSION.match(key)
    return match[1] if match else None


def lookup(key: str) -> MetricSpec:
    """Return the entry of a key; one that is not in the glossary gets its key as label."""
    if key in _BY_KEY:
        return _BY_KEY[key]
    split = shell_of(key)
    if split:
        base = _SHELL[split[0]]
        return evolve(base, key=key, label=f"{base.label}, b = {split[1]}")
    return MetricSpec(key, key)


def terms(keys: Iterable[str]) -> list[tuple[str, str]]:
    """Return label and meaning of what these keys stand for, in alphabetical order."""
    told: dict[str, str] = {}
    for key in keys:
        entry = lookup(key)
        label = entry.label.removesuffix(", input").removesuffix(", super-resolved")
        split = shell_of(key)
        if split:
            label = label.removesuffix(f", b = {split[1]}")
        if entry.meaning:
            told.setdefault(label, entry.meaning)
    return sorted(told.items(), key=lambda term: term[0].lower())


def leftovers(record: Mapping[str, Any]) -> list[str]:
    """Return the keys of `record` that no table of the glossary covers, in their order."""
    return [
        key
        for key in record
        if key not in _BY_KEY
        and key not in TEXTS
        and shell_of(key) is None
        and versioned_package(key) is None
    ]


def _paired() -> dict[str, MetricSpec]:
    pairs = {}
    for entry, (before, after) in PAIRS:
        for key, place in ((before, "input"), (after, "super-resolved")):
            pairs[key] = evolve(entry, key=key, label=f"{entry.label}, {place}")
    return pairs


_BY_KEY = {entry.key: entry for entry in (*SCAN, *PROCESSING, *SINGLE)} | _paired()
