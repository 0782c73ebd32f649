"""The self-check's metrics in one word."""

from __future__ import annotations

import pytest

from bids_sr.quality.gain import (
    GROUPS,
    HIGHER_IS_BETTER,
    LEFT,
    MARGINS,
    SELF_CHECK_METRICS,
    check_note,
    gain,
    gain_sentence,
    harms,
    helps_only_without_noise,
    key_of,
    noisy_gain_key,
    selfcheck_verdict,
)

BEST = {
    "psnr_b0": 27.0,
    "psnr_dwi": 23.0,
    "ssim_dwi": 0.8,
    "fa_mae": 0.06,
    "md_mae": 0.12,
    "v1_deg": 8.0,
    "left_b0": 1.0,
    "left_mean": 1.0,
    "left_l2": 1.0,
}
GOOD = {"psnr_b0": 28.5, "psnr_dwi": 24.0, "fa_mae": 0.056, "md_mae": 0.09, "v1_deg": 7.6}
GOOD |= {"left_b0": 0.6, "left_mean": 0.6, "left_l2": 0.85}


def check(**network):
    """A record in which sinc is best of the classical methods, the network as good but for..."""
    record = {"selfcheck_reason": "", "selfcheck_note": ""}
    for metric, best in BEST.items():
        worse = best * (0.8 if metric in HIGHER_IS_BETTER else 1.2)
        values = {"linear": worse, "cubic": worse, "sinc": best, "network": best}
        values["network"] = network.get(metric, best)
        record |= {key_of(metric, method): value for method, value in values.items()}
    return record | {"selfcheck_verdict": selfcheck_verdict(record)}


def test_gain_is_over_the_best_classical_method():
    record = check(psnr_dwi=23.5, md_mae=0.09)
    assert gain(record, "psnr_dwi") == pytest.approx(0.5)
    assert gain(record, "md_mae") == pytest.approx(0.25)
    assert gain(record, "fa_mae") == pytest.approx(0)
    assert gain(check(left_l2=0.9), "left_l2") == pytest.approx(0.1)
    assert gain(check(v1_deg=None), "v1_deg") is None


NO_DETAIL = dict.fromkeys(("left_b0", "left_mean", "left_l2"))
NO_MAPS = dict.fromkeys(("fa_mae", "md_mae", "v1_deg"))


def by(**margins):
    """Metrics of a network that is so many margins better than the best classical method."""
    metrics = {}
    for metric, count in margins.items():
        step = count * MARGINS[metric]
        if metric in HIGHER_IS_BETTER:
            metrics[metric] = BEST[metric] + step
        else:
            metrics[metric] = BEST[metric] - step * (1 if metric in LEFT else BEST[metric])
    return metrics


@pytest.mark.parametrize(
    ("network", "verdict"),
    [
        ({}, "no gain"),
        (GOOD, "helped"),
        # one kind of metric is not enough
        (by(psnr_b0=3, psnr_dwi=3), "no gain"),
        (by(md_mae=3), "no gain"),
        (by(psnr_dwi=2, md_mae=3), "no gain"),
        (by(psnr_dwi=2, md_mae=3, left_mean=2), "helped"),
        # small gains add up
        (by(psnr_dwi=0.8, psnr_b0=0.8, md_mae=0.7, fa_mae=0.7, v1_deg=0.7, left_b0=0.7,
            left_mean=0.7, left_l2=0.7), "helped"),
        (by(psnr_dwi=0.4, md_mae=0.4, left_mean=0.4), "no gain"),
        # what was not measured does not count
        (GOOD | NO_DETAIL, "helped"),
        (GOOD | NO_MAPS, "helped"),
        (GOOD | {"psnr_b0": None}, "helped"),
        (GOOD | {"left_l2": None}, "helped"),
        (by(psnr_dwi=2) | NO_MAPS | NO_DETAIL, "helped"),
        (GOOD | {"psnr_dwi": None}, ""),
        (GOOD | {"psnr_dwi": float("nan")}, ""),
        # any metric that is clearly worse
        *[(GOOD | by(**{key: -1.1}), "harmed") for key in MARGINS],
        (GOOD | {"v1_deg": 1.6 * BEST["v1_deg"]}, "harmed"),
        # worse, but not clearly: that is no help
        *[(GOOD | by(**{key: -0.8}), "no gain") for key in MARGINS],
        (GOOD | {"psnr_dwi": BEST["psnr_dwi"] - 0.29}, "no gain"),
        *[(GOOD | by(**{key: -0.3}), "helped") for key in MARGINS],
        # several of one kind that are a little worse
        (by(psnr_dwi=-0.8, psnr_b0=-0.8), "harmed"),
        (by(fa_mae=-0.7, md_mae=-0.7, v1_deg=-0.7), "harmed"),
        (by(fa_mae=-0.4, md_mae=-0.4, v1_deg=-0.4), "no gain"),
    ],
)  # fmt: skip
def test_verdict(network, verdict):
    assert selfcheck_verdict(check(**network)) == verdict


def test_no_metrics_no_verdict():
    assert selfcheck_verdict({}) == ""
    assert gain_sentence({}) == ""


def test_margins_are_of_metrics_that_there_are():
    assert set(MARGINS) <= set(SELF_CHECK_METRICS)
    assert sorted(MARGINS) == sorted(key for group in GROUPS for key in group)


def test_sentences():
    good = gain_sentence(check(**GOOD))
    assert "beats" in good and "+1.00 dB" in good and "MD error -25 %" in good
    assert "V1 error -5 %" in good
    assert good.endswith(
        "unexplained detail (1 for sinc): b0s 0.60, mean over directions 0.60, "
        "differences between directions 0.85."
    )
    bad = check(**GOOD | {"fa_mae": 0.072})
    assert harms(bad) == ["FA error +20 %"]
    assert "worse" in gain_sentence(bad) and "dB" not in gain_sentence(bad)
    several = check(**by(psnr_dwi=-0.8, psnr_b0=-0.8))
    assert len(harms(several)) == 2 and "-0.24 dB" in gain_sentence(several)
    mixed = gain_sentence(check(**GOOD | {"psnr_dwi": 22.71}))
    assert "not clearly better by every criterion" in mixed and "-0.29 dB" in mixed
    assert "no better than" in gain_sentence(check())
    off = {"selfcheck_verdict": "", "selfcheck_reason": "It was switched off."}
    assert gain_sentence(off) == "There was no self-check. It was switched off."
    noted = check() | {"selfcheck_note": "The reference is itself zero-filled."}
    assert "zero-filled" not in gain_sentence(noted)  # it stands under the table
    assert check_note(noted) == "The reference is itself zero-filled."


def test_the_sentence_with_the_noise_put_back():
    noisy = {noisy_gain_key("psnr_dwi"): 0.4, noisy_gain_key("v1_deg"): -0.02}
    noisy |= {noisy_gain_key("left_l2"): -0.06, "selfcheck_verdict_noisy": "no gain"}
    noisy |= {noisy_gain_key("left_b0"): 0.3, noisy_gain_key("left_mean"): None}
    told = gain_sentence(check(**GOOD) | noisy)
    assert told.endswith(
        "With the noise level of the scan, there is no clear gain: PSNR of the weighted volumes "
        "+0.40 dB, V1 error +2 %, unexplained detail of the differences between directions +0.06."
    )
    assert not helps_only_without_noise(check(**GOOD) | noisy)


def test_harm_at_the_noise_level_of_the_scan_is_said_first():
    noisy = {noisy_gain_key("psnr_dwi"): -0.9, "selfcheck_verdict_noisy": "harmed"}
    told = gain_sentence(check(**GOOD) | noisy)
    assert told.startswith(
        "With the noise level of the scan, the network is worse than interpolation: PSNR of the "
        "weighted volumes -0.90 dB. On a coarser copy of this scan"
    )
