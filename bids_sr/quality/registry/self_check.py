"""Metrics of the self-check, by method, and what it says in words."""

from __future__ import annotations

from functools import partial

from attrs import evolve

from bids_sr.quality.gain import CLASSICAL, LEFT, NETWORK, NOISE, key_of, noisy_gain_key
from bids_sr.quality.gain import SELF_CHECK as PREFIX
from bids_sr.quality.metric_spec import SELF_CHECK, MetricSpec, Per

METHODS = (*CLASSICAL, NETWORK)
"""What the self-check compares."""

_text = partial(MetricSpec, family=SELF_CHECK)
_score = partial(MetricSpec, family=SELF_CHECK, per=Per.METHOD)
_LEFT = (
    "Share of the high frequencies that is missing or wrong, the scan's noise taken out: 1 where "
    "nothing was added, 0 where all is right. Under 'noise alone': the share of noise in it."
)

SCORES = (
    _score("psnr_b0", "PSNR, b = 0", "Higher is closer to the scan.", "dB", 2),
    _score("psnr_dwi", "PSNR, weighted volumes", "Higher is closer to the scan.", "dB", 2),
    _score("ssim_dwi", "SSIM, weighted volumes", "Likeness of structure, at most 1.", "", 4),
    _score("fa_mae", "Error of FA", "Mean absolute error in the brain; lower is better.", "", 4),
    _score("md_mae", "Error of MD", "Mean absolute error; lower is better.", "10⁻³ mm²/s", 4),
    _score("v1_deg", "Error of V1", "Median angle; lower is better.", "°", 2),
    _score("left_b0", "Detail left unexplained, b = 0", _LEFT, "", 2),
    _score("left_mean", "Detail left unexplained, mean of directions", _LEFT, "", 2),
    _score("left_l2", "Detail left unexplained, between directions", _LEFT, "", 2),
)
"""Scores of each method against the scan; their keys are those of `bids_sr.quality.gain`."""


def _gain(score: MetricSpec) -> MetricSpec:
    relative = score.key in ("fa_mae", "md_mae", "v1_deg")
    return _text(
        noisy_gain_key(score.key),
        f"Gain, noise put back: {score.label}",
        "By how much the network beats the best interpolation where the coarsened scan is as "
        "noisy as the scan; below 0 it is worse.",
        "" if relative else score.unit,
        score.decimals,
        percent=relative,
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
    where = "Against the scan itself, from a coarser copy of it."
    found = dict.fromkeys(METHODS, f"{score.meaning} {where}")
    found[NOISE] = f"{score.meaning} What a perfect result would show: the scan is noisy itself."
    if score.key in LEFT:
        found[NOISE] = "Share of it that is the scan's own noise; above 0.8 it is left out."
    return {
        (key := key_of(score.key, method)): evolve(
            score,
            key=key,
            label=f"{SELF_CHECK}, {score.label}, {'noise alone' if method == NOISE else method}",
            meaning=meaning,
        )
        for method, meaning in found.items()
    }


CHECKS = (
    _text(
        f"{PREFIX}_verdict",
        "Self-check",
        "The scan is made coarser by the factor, super-resolved, and compared with itself "
        "beside plain interpolation: does the network help on this kind of scan?",
        levels={
            "helped": "On a coarser copy of this scan the network was better than interpolation.",
            "no gain": "It was no better than interpolation.",
            "harmed": "It was worse than interpolation.",
        },
    ),
    _text(
        f"{PREFIX}_verdict_noisy",
        "Self-check, noise put back",
        "The same with as much noise in the coarsened scan as the scan has: coarsening takes "
        "half of it away, or two thirds.",
        levels={
            "helped": "Better than interpolation where the coarser copy was as noisy as the scan.",
            "no gain": "No better than interpolation.",
            "harmed": "Worse than interpolation.",
        },
    ),
    *SCORES,
    *(_gain(score) for score in SCORES),
    _text(f"{PREFIX}_volumes", "Self-check, volumes", "Volumes that the self-check used."),
    _text(f"{PREFIX}_slices", "Self-check, slices", "Slices that the self-check used."),
    _text(f"{PREFIX}_reason", "No self-check because", "Empty if there was one."),
    _text(f"{PREFIX}_note", "Self-check, limits", "What limits its metrics."),
    _text(
        f"{PREFIX}_left_note",
        "Self-check, limits of what is left",
        "Whose noise stands for another's, and what could not be measured.",
    ),
    _text(f"{PREFIX}_mode", "Self-check, extent", "auto: some slices and volumes; full: all."),
    _text(f"{PREFIX}_seconds", "Self-check, time", "How long it took.", "s", 1),
)
"""All of the self-check."""
