from __future__ import annotations

import pytest

from bids_sr.evaluation.goals import GOALS, NOISE_ALONE, goals_table


def test_goals_compare_with_the_best_interpolation():
    rows = [
        {"method": name, "psnr_dwi": value, "fa_mae": 10 / value, "left_b0": value}
        for name, value in [("linear", 20.0), ("cubic", 25.0), ("sinc", 24.0), ("net", 50.0)]
    ]
    assert GOALS["psnr_dwi"].value(rows, "net", "psnr_dwi") == 25
    assert GOALS["fa_mae"].value(rows, "net", "fa_mae") == pytest.approx(-50)
    assert GOALS["left_b0"].value(rows, "net", "left_b0") == 50
    assert GOALS["fa_mae"].value(rows, NOISE_ALONE, "fa_mae") is None


def test_a_goal_stands_beside_what_the_noise_lets_anyone_reach():
    figures = {"psnr_b0": 20.0, "psnr_dwi": 20.0, "fa_mae": 0.1, "md_mae": 0.1, "v1_deg": 10.0}
    rows = [{"method": name, **figures} for name in ("linear", "cubic", "sinc")]
    rows.append({"method": NOISE_ALONE, **figures, "psnr_dwi": 24.0, "fa_mae": 0.06})
    rows.append({"method": "net", **figures, "psnr_dwi": 21.0, "fa_mae": 0.08, "left_b0": 0.54})
    lines = goals_table(rows, 2).splitlines()
    assert "| PSNR DWI | +1.50 dB | +1.00 dB | +4.00 dB | missed |" in lines
    assert "| FA error | -14 % | -20 % | -40 % | met |" in lines
    assert "| left of b0 | 0.55 | 0.54 | 0.00 | met |" in lines
    assert not any("l = 2" in line for line in lines)  # not measured
    del rows[3]
    assert "| FA error | -14 % | -20 % | n/a | met |" in goals_table(rows, 2).splitlines()


def test_what_has_no_goal_is_shown_without_one():
    figures = {"psnr_dwi": 20.0, "fa_mae": 0.1, "v1_deg": 10.0}
    rows = [{"method": name, **figures} for name in ("linear", "cubic", "sinc")]
    rows.append({"method": "net", **figures, "left_mean": 0.6})
    lines = goals_table(rows, 3).splitlines()
    assert "| FA error | no goal | +0 % | n/a |  |" in lines
    assert "| left of mean DWI | 0.57 | 0.60 | 0.00 | missed |" in lines
