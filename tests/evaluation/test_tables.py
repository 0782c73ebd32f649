from __future__ import annotations

from bids_sr.evaluation.goals import NOISE_ALONE
from bids_sr.evaluation.tables import left_table, markdown


def test_columns_without_figures_are_left_out_and_gaps_named():
    table = markdown([{"method": "a", "psnr_b0": 1.234}, {"method": "b", "qa_mae": 0.5}])
    assert table.splitlines() == [
        "|  | PSNR b0 (dB) | QA MAE |",
        "|---|---|---|",
        "| a | 1.23 | n/a |",
        "| b | n/a | 0.5000 |",
    ]


def test_what_is_left_stands_shell_by_shell_in_order():
    rows = [
        {
            "method": "net",
            "left_l2_b2000": 0.75,
            "left_b0_b0": 0.5,
            "left_mean_b2000": 0.7,
            "left_mean_b700": 0.6,
            "left_note": "The noise of the b0s is another's.",
        },
        {"method": NOISE_ALONE, "noise_left_l2_b700": 0.9, "noise_left_mean_b700": 0.1},
    ]
    assert left_table(rows).splitlines() == [
        "| high band left unexplained | b0 | mean, b = 700 | mean, b = 2000 | l = 2, b = 700 "
        "| l = 2, b = 2000 |",
        "|---|---|---|---|---|---|",
        "| net | 0.50 | 0.60 | 0.70 | n/a | 0.75 |",
        "| noise share of the reference | n/a | 0.10 | n/a | 0.90 | n/a |",
        "",
        "The noise of the b0s is another's.",
    ]
    assert left_table([{"method": "net", "psnr_b0": 1.0}]) is None
