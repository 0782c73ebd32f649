"""Metrics of the maps: white matter, and what no tissue can show."""

from __future__ import annotations

from functools import partial

from bids_sr.quality.metric_spec import (
    PLAUSIBILITY,
    WHITE_MATTER,
    Limits,
    MetricSpec,
    Per,
    Record,
    is_number,
)

_DIFFUSIVITY = "10⁻³ mm²/s"

_DISTANCE = "Wasserstein-1 distance between the white-matter {} before and after; 0 if equal."

_white = partial(MetricSpec, family=WHITE_MATTER)
_share = partial(MetricSpec, family=PLAUSIBILITY, percent=True, per=Per.SIDE)


def _sides(record: Record, name: str) -> tuple[float, float] | None:
    before, after = (record.get(f"wm_{name}_median_{side}") for side in ("input", "sr"))
    return (before, after) if is_number(before) and is_number(after) else None  # type: ignore[return-value]


def _fa_shift(record: Record) -> float | None:
    sides = _sides(record, "fa")
    return sides[1] - sides[0] if sides else None


def _md_shift(record: Record) -> float | None:
    sides = _sides(record, "md")
    return sides[1] / sides[0] - 1 if sides and sides[0] else None


def _shift(name: str, label: str, unit: str = "") -> MetricSpec:
    return _white(
        f"wm_{name}_wasserstein",
        f"Shift of the {label} distribution",
        _DISTANCE.format(label),
        unit,
        4,
        optional=True,
        least_range=0.02,
    )


MAPS = (
    _white(
        "wm_fa_median",
        "FA in white matter",
        "Median fractional anisotropy in white matter. Finer voxels mix fewer "
        "tissues and directions, which raises FA; so does noise.",
        per=Per.SIDE,
        column="FA",
        least_range=0.05,
    ),
    _white(
        "wm_md_median",
        "MD in white matter",
        "Median mean diffusivity in white matter. A shift of several percent should be examined.",
        _DIFFUSIVITY,
        per=Per.SIDE,
        column="MD",
        least_range=0.05,
    ),
    _white(
        "wm_ad_median",
        "AD in white matter",
        "Median axial diffusivity in white matter, along V1.",
        _DIFFUSIVITY,
        optional=True,
        per=Per.SIDE,
        least_range=0.1,
    ),
    _white(
        "wm_rd_median",
        "RD in white matter",
        "Median radial diffusivity in white matter, across V1.",
        _DIFFUSIVITY,
        optional=True,
        per=Per.SIDE,
        least_range=0.05,
    ),
    _white(
        "wm_qa_median",
        "QA in white matter",
        "Median quantitative anisotropy in white matter: how much more spins diffuse along the "
        "main fibre than in the isotropic background.",
        optional=True,
        per=Per.SIDE,
        least_range=0.02,
    ),
    _white(
        "wm_fa_shift",
        "Shift of FA in white matter",
        "Change of the median FA in white matter.",
        of_record=_fa_shift,
        limits=Limits(warn=0.03, tensor=True),
        least_range=0.04,
        key_measure=True,
    ),
    _white(
        "wm_md_shift",
        "Shift of MD in white matter",
        "Change of the median MD in white matter.",
        decimals=1,
        percent=True,
        of_record=_md_shift,
        limits=Limits(warn=0.03, tensor=True),
        least_range=0.04,
        key_measure=True,
    ),
    _white(
        "wm_fa_wasserstein",
        "Shift of the FA distribution",
        _DISTANCE.format("FA"),
        decimals=4,
        least_range=0.02,
    ),
    _white(
        "wm_md_wasserstein",
        "Shift of the MD distribution",
        _DISTANCE.format("MD"),
        _DIFFUSIVITY,
        4,
        least_range=0.02,
    ),
    _shift("ad", "AD", _DIFFUSIVITY),
    _shift("rd", "RD", _DIFFUSIVITY),
    _shift("qa", "QA"),
    _white(
        "v1_angle_median_deg",
        "Change of V1",
        "Median angle between V1 of an output voxel and V1 of the acquired voxel around it. It "
        "shows how much changed, not which of the two is right.",
        "°",
        1,
        key_measure=True,
        least_range=4.0,
    ),
    _white(
        "wm_voxels",
        "White-matter voxels",
        "Output voxels that the white-matter metrics are based on.",
        decimals=0,
        optional=True,
        least_range=10000.0,
    ),
    _share(
        "nonfinite_dwi_fraction_sr",
        "Non-finite values",
        "Share of the super-resolved values that are NaN or infinite; it must be 0.",
        optional=True,
        per=Per.RUN,
        limits=Limits(fail=0.0),
        least_range=0.001,
    ),
    _share(
        "s_above_s0_fraction",
        "Signal above b = 0",
        "Share of diffusion-weighted values in the brain (voxels times volumes) above the signal "
        "at b = 0, which is not physical: noise, motion, or ringing at edges.",
        least_range=0.005,
    ),
    _share(
        "negative_eigenvalue_fraction",
        "Negative eigenvalues",
        "Share of brain voxels whose fitted tensor has a negative eigenvalue, which no tissue has.",
        column="Negative eigenv.",
        least_range=0.005,
        key_measure=True,
    ),
    _share(
        "nonfinite_fraction",
        "Failed fits",
        "Share of brain voxels whose tensor fit gave no finite number; it should be 0.",
        limits=Limits(warn=0.001, tensor=True),
        least_range=0.001,
    ),
    _share(
        "unfitted_fraction",
        "Voxels without signal",
        "Share of brain voxels not fitted for lack of signal at b = 0: the mask "
        "reaches beyond the image there.",
        optional=True,
        least_range=0.005,
    ),
)
"""Of tensor and GQI maps, and what no tissue can show."""
