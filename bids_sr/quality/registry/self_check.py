"""Metrics of the self-check, by method, and what it says in words."""

from __future__ import annotations

from functools import partial

from attrs import evolve

from bids_sr.quality.gain import CLASSICAL, LEFT, NETWORK, NOISE, gain, key_of, noisy_gain_key
from bids_sr.quality.gain import SELF_CHECK as PREFIX
from bids_sr.quality.metric_spec import SELF_CHECK, MetricSpec, Per

METHODS = (*CLASSICAL, NETWORK)
"""What the self-check compares."""

_text = partial(MetricSpec, family=SELF_CHECK)
_score = partial(MetricSpec, family=SELF_CHECK, per=Per.METHOD)
_MM2_S = "10⁻³ mm²/s"
_LEFT = (
    "Share of the high frequencies that is missing or wrong, corrected for the scan's noise: 1 "
    "if nothing was added, 0 if all of it is right. Under 'noise alone': the share of noise in it."
)


def _left(key: str, of: str, column: str) -> MetricSpec:
    return _score(
        key,
        f"Unexplained detail, {of}",
        _LEFT,
        decimals=2,
        least_range=0.5,
        column=f"Unexplained detail, {column}",
        key_measure=True,
    )


SCORES = (
    _score("psnr_b0", "PSNR, b0", "Higher is closer to the scan.", "dB", 2, least_range=2.0),
    _score("psnr_dwi", "PSNR, DWI", "Higher is closer to the scan.", "dB", 2, least_range=2.0),
    _score(
        "ssim_dwi",
        "SSIM, DWI",
        "Structural similarity to the scan, at most 1.",
        "",
        4,
        least_range=0.05,
    ),
    _score("fa_mae", "Error of FA", "Mean absolute error in the brain.", "", 4, least_range=0.02),
    _score(
        "md_mae", "Error of MD", "Mean absolute error in the brain.", _MM2_S, 4, least_range=0.02
    ),
    _score("v1_deg", "Error of V1", "Median angle.", "°", 2, least_range=2.0),
    _left("left_b0", "b0", "b0"),
    _left("left_mean", "mean over directions", "mean"),
    _left(
        "left_l2",
        "between directions (l\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}2)",
        "l\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}2",
    ),
)
"""Scores of each method against the scan; their keys are those of `bids_sr.quality.gain`."""
_RELATIVE = ("fa_mae", "md_mae", "v1_deg")
"""Scores whose gain is the share by which the error falls."""


def _noisy_gain(score: MetricSpec) -> MetricSpec:
    relative = score.key in _RELATIVE
    return _text(
        noisy_gain_key(score.key),
        f"Gain at the scan's noise level: {score.label}",
        "Gain of the network over the best interpolation on a coarser copy that is as noisy as "
        "the scan; below 0, the network is worse.",
        "" if relative else score.unit,
        score.decimals,
        percent=relative,
        least_range=0.1 if relative else score.least_range / 2,
    )


def _gain(score: MetricSpec, column: str) -> MetricSpec:
    return _text(
        f"{PREFIX}_gain_{score.key}",
        f"Gain over the best interpolation: {score.label}",
        "Score of the network minus that of the best of linear, cubic and sinc interpolation, on a "
        "coarser copy of this scan; below 0, the network is worse.",
        score.unit,
        score.decimals,
        of_record=partial(gain, metric=score.key),
        least_range=1.0,
        column=column,
        key_measure=True,
    )


def by_method(score: MetricSpec) -> dict[str, MetricSpec]:
    """Return the columns of a score: each method's, and that of noise alone.

    Parameters
    ----------
    score : MetricSpec
        One of `SCORES`.

    Returns
    -------
    dict of str to MetricSpec
        By key of the record.
    """
    where = "Computed from a coarser copy of the scan and compared with the scan itself."
    found = dict.fromkeys(METHODS, f"{score.meaning} {where}")
    found[NOISE] = (
        f"{score.meaning} What a perfect result would score, since the scan itself is noisy."
    )
    if score.key in LEFT:
        found[NOISE] = "Share of it that is the scan's own noise; above 0.8 it is left out."
    return {
        (key := key_of(score.key, method)): evolve(
            score,
            key=key,
            label=f"{SELF_CHECK}, {score.label}, {'noise alone' if method == NOISE else method}",
            meaning=meaning,
            column=score.column if method == NETWORK else "",
            key_measure=score.key_measure and method == NETWORK,
        )
        for method, meaning in found.items()
    }


CHECKS = (
    _text(
        f"{PREFIX}_verdict",
        "Self-check",
        "The scan is coarsened by the factor, super-resolved again, and compared with the "
        "original, and so is interpolation: does the network help on this kind of scan?",
        levels={
            "helped": "On a coarser copy of this scan the network was better than interpolation.",
            "no gain": "It was no better than interpolation.",
            "harmed": "It was worse than interpolation.",
        },
    ),
    _text(
        f"{PREFIX}_verdict_noisy",
        "Self-check at the scan's noise level",
        "Result of the self-check with noise added until the coarser copy is as noisy as the scan: "
        "coarsening removes half or two thirds of the noise.",
        levels={
            "helped": "Better than interpolation where the coarser copy was as noisy as the scan.",
            "no gain": "No better than interpolation.",
            "harmed": "Worse than interpolation.",
        },
    ),
    *(_gain(score, f"Gain, {name}") for score, name in zip(SCORES, ("b0", "DWI"), strict=False)),
    *SCORES,
    *(_noisy_gain(score) for score in SCORES),
    _text(
        f"{PREFIX}_volumes",
        "Self-check, volumes",
        "Volumes that the self-check used.",
        least_range=5.0,
    ),
    _text(
        f"{PREFIX}_slices",
        "Self-check, slices",
        "Slices that the self-check used.",
        least_range=5.0,
    ),
    _text(f"{PREFIX}_reason", "No self-check because", "Empty if there was one."),
    _text(f"{PREFIX}_note", "Self-check, caveat", "What limits its metrics."),
    _text(
        f"{PREFIX}_seen",
        "Self-check, training data",
        "Whether the network may have been trained on this participant; empty if not.",
    ),
    _text(
        f"{PREFIX}_left_note",
        "Self-check, limits of unexplained detail",
        "Where the noise was taken from, and what could not be measured.",
    ),
    _text(
        f"{PREFIX}_mode",
        "Self-check, extent",
        "How much of the scan was used; auto: some slices and volumes, full: all.",
    ),
    _text(
        f"{PREFIX}_seconds",
        "Self-check, time",
        "How long it took.",
        "s",
        1,
        least_range=60.0,
    ),
)
"""All of the self-check."""
