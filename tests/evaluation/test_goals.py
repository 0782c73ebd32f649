from __future__ import annotations

import pytest

from bids_sr.evaluation.goals import against_best


def test_goals_compare_with_the_best_interpolation():
    rows = [
        {"method": name, "psnr_b0": value, "fa_mae": 10 / value}
        for name, value in [("linear", 20.0), ("cubic", 25.0), ("sinc", 24.0), ("net", 50.0)]
    ]
    assert against_best(rows, "net", "psnr_b0") == 25
    assert against_best(rows, "net", "fa_mae") == pytest.approx(50)
