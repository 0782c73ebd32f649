"""Metrics of the images themselves, before any fit: agreement, grids, noise, sharpness."""

from __future__ import annotations

import re
from functools import partial

from bids_sr.quality.interslice import interslice_discontinuity
from bids_sr.quality.metric_spec import (
    AGREEMENT,
    ENSEMBLE,
    GRIDS,
    NOISE,
    Limits,
    MetricSpec,
    Per,
    Record,
    is_number,
)
from bids_sr.quality.periods import ALL_PERIODS

_GRID = re.compile(r"grid_f_(?:dwi|fa)_p\d+_sr$")

_agreement = partial(MetricSpec, family=AGREEMENT, per=Per.SHELL)
_grid = partial(MetricSpec, family=GRIDS, optional=True)
_noise = partial(MetricSpec, family=NOISE, optional=True)


def _grid_largest(record: Record) -> float | None:
    found = [float(v) for key, v in record.items() if _GRID.match(key) and is_number(v)]
    return max(found) if found else None


def _grids(period: int) -> tuple[MetricSpec, ...]:
    pattern = f"a pattern that repeats every {period} output pixels"
    ratio = "variance between the positions in the repeating cell over the variance within them"
    return (
        _grid(
            f"grid_f_dwi_p{period}",
            f"Grid of {period} pixels, F",
            f"F of {pattern} in the diffusion-weighted slices: {ratio}. A few at most without a "
            "grid; anatomy does not repeat.",
            per=Per.SIDE,
            least_range=5.0,
        ),
        _grid(
            f"grid_a_dwi_p{period}",
            f"Grid of {period} pixels, amplitude",
            f"Strength of {pattern} in the diffusion-weighted slices, in units of a slice's noise.",
            per=Per.SIDE,
            least_range=0.05,
        ),
        _grid(
            f"grid_fslice_dwi_p{period}_sr",
            f"Grid of {period} pixels, F of single slices",
            f"F of {pattern}, median of single super-resolved slices. It detects a grid whose sign "
            "changes from volume to volume.",
            least_range=5.0,
        ),
        _grid(
            f"grid_f_fa_p{period}_sr",
            f"Grid of {period} pixels in FA, F",
            f"F of {pattern} in the FA map of the output: {ratio}.",
            least_range=5.0,
        ),
        _grid(
            f"grid_a_fa_p{period}_sr",
            f"Grid of {period} pixels in FA, amplitude",
            f"Strength of {pattern} in the FA map of the output, in units of its noise.",
            least_range=0.05,
        ),
        _grid(
            f"peak_db_dwi_p{period}",
            f"Spectral peak of {period} pixels",
            f"Height of the strongest spectral peak of a period of {period} output pixels above "
            "the spectrum around it: that of the output minus that of the interpolated input.",
            "dB",
            1,
            least_range=5.0,
        ),
    )


AGREEMENTS = (
    _agreement(
        "dc_nrmse",
        "Residual",
        "Difference in the brain between the output, reduced to the acquired resolution, and the "
        "input: root mean square relative to that of the input. Near 0, the input's own "
        "spatial frequencies are kept.",
        percent=True,
        extreme=max,
        column="Largest residual",
        least_range=0.002,
        key_measure=True,
    ),
    _agreement(
        "dc_bias",
        "Bias against the input",
        "Mean difference in the brain between the output, reduced to the acquired resolution, and "
        "the input, relative to the input: brighter (+) or darker (-).",
        percent=True,
        limits=Limits(fail=0.02),
        least_range=0.002,
    ),
    _agreement(
        "dc_rms_sigma",
        "Residual over noise",
        "Root mean square difference between the output, reduced to the acquired resolution, and "
        "the input, divided by the standard deviation of the input's noise. Well below 1, it is "
        "lost in the noise.",
        optional=True,
        extreme=max,
        least_range=0.1,
    ),
)
"""How far the output agrees with the input, by shell."""

IMAGES = (
    _grid(
        "grid_largest",
        "Grid, largest F",
        "Largest F of a pattern that repeats with the voxel grid, over all periods, of the "
        "super-resolved DWIs and FA: about 1 without a grid.",
        decimals=1,
        of_record=_grid_largest,
        column="Grid",
        least_range=5.0,
        key_measure=True,
    ),
    _grid(
        "grid_dwi",
        "Grid in DWI",
        "F of a pattern locked to the voxel grid in the DWIs, which anatomy does not show: "
        "variance between the positions in the repeating cell over the variance within them. "
        "About 1 without a grid.",
        decimals=2,
        least_range=5.0,
    ),
    _grid(
        "grid_fa",
        "Grid in FA",
        "F of a pattern locked to the voxel grid in the FA map. About 1 without a grid.",
        decimals=2,
        least_range=5.0,
    ),
    *(spec for period in ALL_PERIODS for spec in _grids(period)),
    _noise(
        "sharpness",
        "Sharpness",
        "Spatial frequency below which half the edge power of the weighted images lies; the input "
        "is interpolated. Noise counts as detail.",
        "cycles/mm",
        per=Per.SIDE,
        least_range=0.05,
    ),
    _noise(
        "ndc",
        "Neighbouring DWI correlation",
        "Correlation between volumes of neighbouring directions. Below 0.4 a scan is poor. "
        "Smoothing alone raises it, so the input is interpolated first.",
        per=Per.SIDE,
        least_range=0.1,
    ),
    _noise(
        "interslice_discontinuity",
        "Interslice discontinuity",
        "Typical difference of a slice's mean intensity from that of its two neighbours.",
        percent=True,
        per=Per.SIDE,
        of_volume=interslice_discontinuity,
        least_range=0.01,
    ),
    _noise(
        "snr",
        "SNR of the input",
        "Median signal of the brain in one volume of the input, divided by the noise. At b = 0, "
        "the check compares it with the training range.",
        decimals=1,
        per=Per.SHELL,
        extreme=min,
        column="SNR",
        least_range=5.0,
        key_measure=True,
    ),
    _noise(
        "n_bad_slices",
        "Damaged slices in the input",
        "Slices with lines or dropouts that the other volumes do not have.",
        decimals=0,
        limits=Limits(warn=0),
        least_range=4.0,
        key_measure=True,
    ),
    _noise(
        "sigma_mppca",
        "Noise SD in the brain",
        "Standard deviation of the input's noise by MP-PCA, in units of the image. Too low if "
        "the scanner interpolated or filtered.",
    ),
    _noise(
        "sigma_piesno",
        "Noise SD in the background",
        "Standard deviation of the input's noise by PIESNO, from the background, for a single coil "
        "channel.",
    ),
    _noise("sigma_note", "Note on the noise estimate", "Why an estimate of the noise is missing."),
    MetricSpec(
        "sd_dwi_median",
        "Self-ensemble SD",
        "How much the diffusion-weighted output changes when slices are rotated or flipped: "
        "median over the brain of the standard deviation, relative to bright tissue at b = 0. "
        "Errors are several times larger: noise, and what all members of the self-ensemble get "
        "wrong alike, are not in it.",
        percent=True,
        optional=True,
        family=ENSEMBLE,
        least_range=0.002,
    ),
    MetricSpec(
        "sd_fa_median",
        "Self-ensemble SD of FA",
        "How much FA changes when slices are rotated or flipped: median over the brain of the "
        "standard deviation.",
        decimals=4,
        optional=True,
        family=ENSEMBLE,
        least_range=0.01,
    ),
)
"""Of the series: grids, noise and sharpness, self-ensemble."""
