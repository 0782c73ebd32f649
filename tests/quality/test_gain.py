"""The self-check's figures in one word."""

from __future__ import annotations

import pytest

from bids_sr.quality.gain import FIGURES, MARGINS, gain, gain_sentence, harms, selfcheck_verdict

BEST = {"psnr_b0": 27.0, "psnr_dwi": 23.0, "ssim_dwi": 0.8, "fa_mae": 0.06, "md_mae": 0.12}


def check(**network):
    """A record in which cubic is best of the classical methods, the network as good but for..."""
    record = {"selfcheck_reason": "", "selfcheck_note": ""}
    for figure, best in BEST.items():
        worse = best * (1.2 if figure.endswith("mae") else 0.8)
        values = {"linear": worse, "cubic": best, "sinc": worse, "network": best}
        values["network"] = network.get(figure, best)
        record |= {f"selfcheck_{figure}_{method}": value for method, value in values.items()}
    return record | {"selfcheck_verdict": selfcheck_verdict(record)}


def test_gain_is_over_the_best_classical_method():
    record = check(psnr_dwi=23.5, md_mae=0.09)
    assert gain(record, "psnr_dwi") == pytest.approx(0.5)
    assert gain(record, "md_mae") == pytest.approx(0.25)
    assert gain(record, "fa_mae") == pytest.approx(0)
    assert gain(record, "v1_deg") is None


@pytest.mark.parametrize(
    ("network", "verdict"),
    [
        ({}, "no gain"),
        ({"psnr_dwi": 23.5, "md_mae": 0.1}, "helped"),
        ({"psnr_b0": 28, "fa_mae": 0.05}, "helped"),
        ({"psnr_b0": 28, "psnr_dwi": 24}, "no gain"),
        ({"md_mae": 0.1}, "no gain"),
        ({"psnr_dwi": 23.1, "md_mae": 0.118}, "no gain"),
        ({"psnr_dwi": 22.5}, "harmed"),
        ({"psnr_b0": 26}, "harmed"),
        ({"psnr_dwi": 25, "psnr_b0": 30, "fa_mae": 0.07}, "harmed"),
        ({"psnr_dwi": 25, "psnr_b0": 30, "md_mae": 0.14}, "harmed"),
        ({"psnr_dwi": 25, "fa_mae": 0.061, "md_mae": 0.1}, "helped"),
        ({"psnr_dwi": None}, ""),
        ({"psnr_dwi": float("nan")}, ""),
        ({"psnr_dwi": 24, "fa_mae": None, "md_mae": None}, "helped"),
        ({"psnr_dwi": 24, "md_mae": 0.1, "psnr_b0": None}, "helped"),
    ],
)
def test_verdict(network, verdict):
    assert selfcheck_verdict(check(**network)) == verdict


def test_no_figures_no_verdict():
    assert selfcheck_verdict({}) == ""
    assert gain_sentence({}) == ""


def test_margins_are_of_figures_that_there_are():
    assert set(MARGINS) <= set(FIGURES)


def test_sentences():
    good = gain_sentence(check(psnr_dwi=23.5, md_mae=0.09))
    assert "beats" in good and "+0.50 dB" in good and "MD error -25%" in good
    bad = check(psnr_dwi=25, fa_mae=0.072)
    assert harms(bad) == ["FA error +20%"]
    assert "worse" in gain_sentence(bad) and "dB" not in gain_sentence(bad)
    off = {"selfcheck_verdict": "", "selfcheck_reason": "It was switched off."}
    assert gain_sentence(off) == "There was no self-check. It was switched off."
    noted = check() | {"selfcheck_note": "The reference is itself zero-filled."}
    assert gain_sentence(noted).endswith("zero-filled.")
