"""Measures of the images themselves, before any fit: grids, noise, sharpness."""

from __future__ import annotations

from bids_sr.quality.metric_spec import Group, MetricSpec, Pair
from bids_sr.quality.periods import ALL_PERIODS


def _told(meaning: str, period: int) -> str:
    return meaning if period == ALL_PERIODS[0] else f"The same for {period} pixels."


def _grid_pairs(period: int) -> tuple[Pair, ...]:
    found: tuple[tuple[str, str, str], ...] = (
        (
            f"grid_f_dwi_p{period}",
            f"Grid of {period} pixels, F",
            f"Whether the diffusion-weighted slices hold a pattern that repeats every {period} "
            "output pixels: variance between the places of the cell over that within. Without a "
            "grid it is a few at most; anatomy does not repeat.",
        ),
        (
            f"grid_a_dwi_p{period}",
            f"Grid of {period} pixels, amplitude",
            "How strong that pattern is, in units of the noise of a slice.",
        ),
    )
    return tuple(
        (
            MetricSpec(key, label, _told(meaning, period), optional=True),
            (f"{key}_input", f"{key}_sr"),
        )
        for key, label, meaning in found
    )


def _grid_single(period: int) -> tuple[MetricSpec, ...]:
    found = (
        (
            f"grid_fslice_dwi_p{period}_sr",
            f"Grid of {period} pixels, F of single slices",
            "Median over super-resolved slices of each one's own F. It finds a grid whose sign "
            "changes from volume to volume.",
            "",
        ),
        (
            f"grid_f_fa_p{period}_sr",
            f"Grid of {period} pixels in FA, F",
            "The same for the FA map of the output.",
            "",
        ),
        (
            f"grid_a_fa_p{period}_sr",
            f"Grid of {period} pixels in FA, amplitude",
            "The same for the FA map of the output, in units of its noise.",
            "",
        ),
        (
            f"peak_db_dwi_p{period}",
            f"Spectral peak of {period} pixels",
            "How far the strongest peak of that period stands out of the spectrum around it; the "
            "output's less that of the interpolated input.",
            "dB",
        ),
    )
    return tuple(
        MetricSpec(
            key,
            label,
            _told(meaning, period),
            unit=unit,
            decimals=1 if unit else 3,
            optional=True,
        )
        for key, label, meaning, unit in found
    )


_NOISE_PAIRS: tuple[Pair, ...] = (
    (
        MetricSpec(
            "sharpness",
            "Sharpness",
            "Spatial frequency that halves the strength of edges in the weighted images; the input "
            "is interpolated. Noise counts as detail.",
            unit="cycles/mm",
            optional=True,
        ),
        ("sharpness_input", "sharpness_sr"),
    ),
    (
        MetricSpec(
            "ndc",
            "Neighbouring DWI correlation",
            "How alike the volumes of similar direction are. Below 0.4 a scan is poor. Smoothing "
            "alone raises it, so the input is interpolated first.",
            optional=True,
        ),
        ("ndc_input", "ndc_sr"),
    ),
    (
        MetricSpec(
            "interslice_discontinuity",
            "Jump between slices",
            "By how much the brightness of a slice typically differs from the mean of its two "
            "neighbours.",
            percent=True,
            optional=True,
        ),
        ("interslice_discontinuity_input", "interslice_discontinuity_sr"),
    ),
)

_NOISE_SINGLE = (
    MetricSpec(
        "sigma_mppca",
        "Noise in the brain",
        "Standard deviation of the input's noise by MP-PCA, in units of the image. Too small where "
        "the scanner interpolated or filtered.",
        optional=True,
    ),
    MetricSpec(
        "sigma_piesno",
        "Noise in the background",
        "The same by PIESNO, from air, as for a single coil channel.",
        optional=True,
    ),
    MetricSpec(
        "sigma_note", "Missing noise", "Why an estimate of the noise is missing.", optional=True
    ),
)

GRIDS = Group(
    "Grid artifacts",
    tuple(pair for period in ALL_PERIODS for pair in _grid_pairs(period)),
    tuple(entry for period in ALL_PERIODS for entry in _grid_single(period)),
)
NOISE = Group("Noise and sharpness", _NOISE_PAIRS, _NOISE_SINGLE)
