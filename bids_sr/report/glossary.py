"""What each figure of a run's record means, in plain words, and how it is printed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen

UNKNOWN = "not known"
"""Printed where a record holds no value."""


@frozen
class Entry:
    """One key of the record, as the pages show it."""

    key: str
    """Key in the JSON file and column of the group table."""
    label: str
    """Short name."""
    meaning: str = ""
    """One or two sentences for somebody who has not read the documentation."""
    unit: str = ""
    """Unit, empty for pure numbers."""
    decimals: int = 3
    """Digits after the point."""
    percent: bool = False
    """Stored as a fraction, printed in percent."""
    optional: bool = False
    """Left out of tables where a record does not have it."""

    def text(self, value: Any) -> str:
        """Return `value` as printed, without its unit.

        Examples
        --------
        >>> Entry("x", "x", decimals=2).text(1.005)
        '1.00'
        >>> Entry("x", "x", percent=True).text(0.0123)
        '1.230 %'
        >>> Entry("x", "x", percent=True).text(1e-9)
        'under 0.001 %'
        >>> Entry("x", "x").text(None)
        'not known'
        """
        if not is_known(value):
            return UNKNOWN
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float) or (self.percent and isinstance(value, int)):
            return self._number(float(value))
        return str(value)

    def change(self, before: Any, after: Any) -> str:
        """Return the difference of two values as printed, with its sign."""
        if not (is_number(before) and is_number(after)):
            return UNKNOWN
        text = self._number(after - before)
        return f"+{text}" if after > before and text[0].isdigit() else text

    def _number(self, value: float) -> str:
        shown, unit = (100 * value, " %") if self.percent else (value, "")
        if 0 < abs(shown) < 0.5 * 10**-self.decimals:
            return f"under {10**-self.decimals:.{self.decimals}f}{unit}"
        return f"{shown:.{self.decimals}f}{unit}"


def is_number(value: Any) -> bool:
    """Tell whether a record's value is a finite number; true and false are none."""
    return is_known(value) and isinstance(value, int | float) and not isinstance(value, bool)


def is_known(value: Any) -> bool:
    """Tell whether a record's value says anything.

    None, NaN, infinities, empty text, lists and dicts, and the ``n/a`` of a
    table do not.
    """
    if value is None or value == "n/a":
        return False
    if isinstance(value, str | list | tuple | dict) and not value:
        return False
    return not (isinstance(value, float) and not math.isfinite(value))


SCAN = (
    Entry("n_volumes", "Volumes"),
    Entry("n_b0", "Volumes at b = 0"),
    Entry("n_directions", "Directions"),
    Entry("shells", "Shells", unit="s/mm²"),
    Entry("input_shape", "Acquired matrix", unit="voxels"),
    Entry("input_zooms_mm", "Acquired voxel", unit="mm"),
    Entry("output_zooms_mm", "Output voxel", unit="mm"),
    Entry("brain_volume_ml", "Brain mask", unit="ml", decimals=0, optional=True),
    Entry("slice_axis", "Slice axis", "Voxel axis across the slices; it is never refined."),
)
"""What was acquired."""

PROCESSING = (
    Entry("scale_factor", "In-plane factor"),
    Entry("model", "Network"),
    Entry("model_sha256", "Weights, sha256"),
    Entry("data_consistency", "K-space data consistency"),
    Entry("ensemble", "Turned copies averaged", optional=True),
    Entry("uncertainty", "Spread of the copies written", optional=True),
    Entry(
        "input_band",
        "Measured band",
        "Share of the input's in-plane frequencies that hold signal; below 1 the scanner "
        "interpolated.",
        optional=True,
    ),
    Entry("device", "Device"),
    Entry("seconds_superres", "Time for super-resolution", unit="s", decimals=1),
    Entry("slices_per_second", "Speed", unit="slices/s", decimals=1),
    Entry("batch_size", "Batch size", unit="slices", optional=True),
    Entry("version", "bids_sr"),
)
"""What was done, with what."""

PAIRS = (
    (
        Entry(
            "wm_fa_median",
            "FA in white matter",
            "Median fractional anisotropy in white matter. Finer voxels hold less of a mixture of "
            "tissues and directions, which raises FA; so does noise.",
        ),
        ("wm_fa_median_input", "wm_fa_median_sr"),
    ),
    (
        Entry(
            "wm_md_median",
            "MD in white matter",
            "Median mean diffusivity in white matter. A shift of several percent is a reason to "
            "look closer.",
            unit="10⁻³ mm²/s",
        ),
        ("wm_md_median_input", "wm_md_median_sr"),
    ),
    (
        Entry(
            "s_above_s0_fraction",
            "Signal above b = 0",
            "Share of diffusion-weighted samples in the brain (voxels times volumes) that exceed "
            "the one at b = 0. That is not physical: noise, motion, or ringing at edges.",
            percent=True,
        ),
        ("s_above_s0_fraction_input", "s_above_s0_fraction_sr"),
    ),
    (
        Entry(
            "negative_eigenvalue_fraction",
            "Negative eigenvalues",
            "Share of brain voxels whose fitted tensor has a negative eigenvalue, which no tissue "
            "has.",
            percent=True,
        ),
        ("negative_eigenvalue_fraction_input", "negative_eigenvalue_fraction"),
    ),
    (
        Entry(
            "nonfinite_fraction",
            "Failed fits",
            "Share of brain voxels whose tensor fit gave no finite number; it should be 0.",
            percent=True,
        ),
        ("nonfinite_fraction_input", "nonfinite_fraction"),
    ),
    (
        Entry(
            "unfitted_fraction",
            "Without signal",
            "Share of brain voxels that were not fitted, having no signal at b = 0: the mask "
            "reaches beyond the image there.",
            percent=True,
            optional=True,
        ),
        ("unfitted_fraction_input", "unfitted_fraction"),
    ),
)
"""Measures of the input and of the output, with their two keys."""

SINGLE = (
    Entry(
        "wm_fa_wasserstein",
        "Shift of the FA distribution",
        "Wasserstein-1 distance of the white-matter FA histograms before and after; "
        "0 if they are the same.",
        decimals=4,
    ),
    Entry(
        "wm_md_wasserstein",
        "Shift of the MD distribution",
        "As above for mean diffusivity.",
        unit="10⁻³ mm²/s",
        decimals=4,
    ),
    Entry(
        "v1_angle_median_deg",
        "Turn of the main direction",
        "Median angle between the main diffusion direction of an output voxel and that of the "
        "acquired voxel around it. It tells how much changed, not which of the two is right.",
        unit="°",
        decimals=1,
    ),
    Entry(
        "wm_voxels",
        "White-matter voxels",
        "Output voxels that the measures in white matter rest on.",
        decimals=0,
        optional=True,
    ),
    Entry(
        "sd_dwi_median",
        "Spread of the copies",
        "By how much the diffusion-weighted output changes when the slices are turned: median over "
        "the brain of the standard deviation, relative to bright tissue at b = 0. Errors are "
        "several times larger: what all copies get wrong alike, and noise, are not in it.",
        percent=True,
        optional=True,
    ),
    Entry("sd_fa_median", "Spread of FA", "The same for FA.", decimals=4, optional=True),
)
"""Measures of the difference."""

DC_NRMSE = Entry(
    "dc_nrmse",
    "Residual",
    "What is left in the brain when the output is cut back to the acquired resolution and the "
    "input is subtracted: root mean square over that of the input. Near 0, all that the scanner "
    "measured is still there.",
    percent=True,
)
DC_BIAS = Entry(
    "dc_bias",
    "Bias",
    "The same difference with its sign, averaged: a brightening (+) or darkening (-) relative "
    "to the input.",
    percent=True,
)

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

_PER_SHELL = re.compile(r"(dc_nrmse|dc_bias)_b(\d+)$")
_VERSION = re.compile(r"(\w+)_version$")


def shell_of(key: str) -> tuple[str, int] | None:
    """Split a per-shell key into its figure and the b-value.

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


def lookup(key: str) -> Entry:
    """Return the entry of a key; one that is not in the glossary gets its key as label."""
    if key in _BY_KEY:
        return _BY_KEY[key]
    split = shell_of(key)
    if split:
        figure, bval = split
        base = DC_NRMSE if figure == "dc_nrmse" else DC_BIAS
        return Entry(
            key, f"{base.label}, b = {bval}", base.meaning, base.unit, base.decimals, base.percent
        )
    return Entry(key, key)


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


def _paired() -> dict[str, Entry]:
    pairs = {}
    for entry, (before, after) in PAIRS:
        for key, place in ((before, "input"), (after, "super-resolved")):
            pairs[key] = Entry(
                key,
                f"{entry.label}, {place}",
                entry.meaning,
                entry.unit,
                entry.decimals,
                entry.percent,
                entry.optional,
            )
    return pairs


_BY_KEY = {entry.key: entry for entry in (*SCAN, *PROCESSING, *SINGLE)} | _paired()
