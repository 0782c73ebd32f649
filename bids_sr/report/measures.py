"""Measures of a run by the question that they answer; what each means, in plain words."""

from __future__ import annotations

from bids_sr.quality.metric_spec import Group, MetricSpec, Pair
from bids_sr.report.image_measures import GRIDS, NOISE

_DIFFUSIVITY = "10⁻³ mm²/s"


def _shift(name: str, label: str, unit: str = "") -> MetricSpec:
    return MetricSpec(
        f"wm_{name}_wasserstein",
        f"Shift of the {label} distribution",
        f"As above for {label}.",
        unit=unit,
        decimals=4,
        optional=True,
    )


_WHITE_MATTER: tuple[Pair, ...] = (
    (
        MetricSpec(
            "wm_fa_median",
            "FA in white matter",
            "Median fractional anisotropy in white matter. Finer voxels hold less of a mixture of "
            "tissues and directions, which raises FA; so does noise.",
        ),
        ("wm_fa_median_input", "wm_fa_median_sr"),
    ),
    (
        MetricSpec(
            "wm_md_median",
            "MD in white matter",
            "Median mean diffusivity in white matter. A shift of several percent is a reason to "
            "look closer.",
            unit="10⁻³ mm²/s",
        ),
        ("wm_md_median_input", "wm_md_median_sr"),
    ),
    (
        MetricSpec(
            "wm_ad_median",
            "AD in white matter",
            "Median diffusivity along the main direction.",
            unit=_DIFFUSIVITY,
            optional=True,
        ),
        ("wm_ad_median_input", "wm_ad_median_sr"),
    ),
    (
        MetricSpec(
            "wm_rd_median",
            "RD in white matter",
            "Median diffusivity across the main direction.",
            unit=_DIFFUSIVITY,
            optional=True,
        ),
        ("wm_rd_median_input", "wm_rd_median_sr"),
    ),
    (
        MetricSpec(
            "wm_qa_median",
            "QA in white matter",
            "Median quantitative anisotropy: how much spins diffuse along the main fibre, relative "
            "to the isotropic part of the image it is taken from.",
            optional=True,
        ),
        ("wm_qa_median_input", "wm_qa_median_sr"),
    ),
)

_WHITE_MATTER_SHIFT = (
    MetricSpec(
        "wm_fa_wasserstein",
        "Shift of the FA distribution",
        "Wasserstein-1 distance of the white-matter FA histograms before and after; "
        "0 if they are the same.",
        decimals=4,
    ),
    MetricSpec(
        "wm_md_wasserstein",
        "Shift of the MD distribution",
        "As above for mean diffusivity.",
        unit="10⁻³ mm²/s",
        decimals=4,
    ),
    _shift("ad", "AD", _DIFFUSIVITY),
    _shift("rd", "RD", _DIFFUSIVITY),
    _shift("qa", "QA"),
    MetricSpec(
        "v1_angle_median_deg",
        "Turn of the main direction",
        "Median angle between the main diffusion direction of an output voxel and that of the "
        "acquired voxel around it. It tells how much changed, not which of the two is right.",
        unit="°",
        decimals=1,
    ),
    MetricSpec(
        "wm_voxels",
        "White-matter voxels",
        "Output voxels that the measures in white matter rest on.",
        decimals=0,
        optional=True,
    ),
)

_PHYSICAL: tuple[Pair, ...] = (
    (
        MetricSpec(
            "s_above_s0_fraction",
            "Signal above b = 0",
            "Share of diffusion-weighted samples in the brain (voxels times volumes) that exceed "
            "the one at b = 0. That is not physical: noise, motion, or ringing at edges.",
            percent=True,
        ),
        ("s_above_s0_fraction_input", "s_above_s0_fraction_sr"),
    ),
    (
        MetricSpec(
            "negative_eigenvalue_fraction",
            "Negative eigenvalues",
            "Share of brain voxels whose fitted tensor has a negative eigenvalue, which no tissue "
            "has.",
            percent=True,
        ),
        ("negative_eigenvalue_fraction_input", "negative_eigenvalue_fraction"),
    ),
    (
        MetricSpec(
            "nonfinite_fraction",
            "Failed fits",
            "Share of brain voxels whose tensor fit gave no finite number; it should be 0.",
            percent=True,
        ),
        ("nonfinite_fraction_input", "nonfinite_fraction"),
    ),
    (
        MetricSpec(
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

_NOT_A_NUMBER = MetricSpec(
    "nonfinite_dwi_fraction_sr",
    "No number",
    "Share of the super-resolved samples that are NaN or infinite; it must be 0.",
    percent=True,
    optional=True,
)


_ENSEMBLE_SD = (
    MetricSpec(
        "sd_dwi_median",
        "Self-ensemble SD",
        "By how much the diffusion-weighted output changes when the slices are turned: median over "
        "the brain of the standard deviation, relative to bright tissue at b = 0. Errors are "
        "several times larger: what all copies get wrong alike, and noise, are not in it.",
        percent=True,
        optional=True,
    ),
    MetricSpec(
        "sd_fa_median", "Self-ensemble SD of FA", "The same for FA.", decimals=4, optional=True
    ),
)

GROUPS = (
    Group("White matter", _WHITE_MATTER, _WHITE_MATTER_SHIFT),
    Group("What tissue cannot do", _PHYSICAL, (_NOT_A_NUMBER,)),
    GRIDS,
    NOISE,
    Group("Self-ensemble", (), _ENSEMBLE_SD),
)
"""In the order of the page."""

PAIRS = tuple(pair for group in GROUPS for pair in group.pairs)
"""Measures of the input and of the output, with their two keys."""

SINGLE = tuple(entry for group in GROUPS for entry in group.single)
"""Measures of the difference, or of one of the two images."""

DC_NRMSE = MetricSpec(
    "dc_nrmse",
    "Residual",
    "What is left in the brain when the output is cut back to the acquired resolution and the "
    "input is subtracted: root mean square over that of the input. Near 0, all that the scanner "
    "measured is still there.",
    percent=True,
)
DC_BIAS = MetricSpec(
    "dc_bias",
    "Bias",
    "The same difference with its sign, averaged: a brightening (+) or darkening (-) relative "
    "to the input.",
    percent=True,
)
DC_RMS_SIGMA = MetricSpec(
    "dc_rms_sigma",
    "Residual over noise",
    "The root mean square of that difference over the standard deviation of the input's noise: "
    "well below 1, what changed drowns in the noise.",
    optional=True,
)
SNR = MetricSpec(
    "snr",
    "Signal over noise, input",
    "The brain's median signal in one volume of the input over the noise.",
    decimals=1,
    optional=True,
)

PER_SHELL = (DC_NRMSE, DC_BIAS, DC_RMS_SIGMA, SNR)
"""Measures of each shell; its name is added to the key."""
