from __future__ import annotations

import pytest

from bids_sr.evaluation.goals import NOISE_ALONE, against_best, goals_table


def test_goals_compare_with_the_best_interpolation():
    rows = [
        {"method": name, "psnr_b0": value, "fa_mae": 10 / value}
        for name, value in [("linear", 20.0), ("cubic", 25.0), ("sinc", 24.0), ("net", 50.0)]
    ]
    assert against_best(rows, "net", "psnr_b0") == 25
    assert against_best(rows, "net", "fa_mae") == pytest.approx(50)


def test_a_goal_stands_beside_what_the_noise_lets_anyone_reach():
    figures = {"psnr_b0": 20.0, "psnr_dwi": 20.0, "fa_mae": 0.1, "md_mae": 0.1, "v1_deg": 10.0}
    rows = [{"method": name, **figures} for name in ("linear", "cubic", "sinc")]
    rows.append({"method": NOISE_ALONE, **figures, "psnr_dwi": 24.0, "fa_mae": 0.06})
    rows.append({"method": "net", **figures, "psnr_dwi": 21.0, "fa_mae": 0.08})
    lines = goals_table(rows, "scan", 2).splitlines()
    assert "| PSNR DWI | +1.60 dB | +1.00 dB | +4.00 dB | missed |" in lines
    assert "| FA error | -15 % | -20 % | -40 % | met |" in lines
    del rows[3]
    assert "| FA error | -15 % | -20 % | n/a | met |" in goals_table(rows, "scan", 2).splitlines()
