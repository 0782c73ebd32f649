from __future__ import annotations

from bids_sr.evaluation.tables import BUDGET, markdown


def test_columns_without_figures_are_left_out_and_gaps_named():
    table = markdown([{"method": "a", "psnr_b0": 1.234}, {"method": "b", "qa_mae": 0.5}])
    assert table.splitlines() == [
        "|  | PSNR b0 (dB) | QA MAE |",
        "|---|---|---|",
        "| a | 1.23 | n/a |",
        "| b | n/a | 0.5000 |",
    ]


def test_budget_has_its_own_columns():
    row = {"method": "a", "budget_gain_mean_db": 1.0}
    assert markdown([row], BUDGET).splitlines()[-1] == "| a | +1.00 |"
