"""Runs that stand out: one entry each, the worst and farthest first; negligible spread is none."""

from __future__ import annotations

import pytest

from bids_sr.quality.registry import METRICS, derived, lookup
from bids_sr.report.distributions import metric_plots
from bids_sr.report.standing_out import standing_out
from bids_sr.report.strips import plots
from bids_sr.report.study_summary import study_answers


@pytest.fixture
def ranked():
    """Function: rank made-up runs."""

    def rank(records):
        full = [{**values, **derived(values)} for values in records]
        return standing_out(plots(metric_plots(full), full), full)

    return rank


@pytest.fixture
def study(record):
    """Twenty runs, alike but for V1's change, which spreads from 5 to 7."""
    return [record(v1_angle_median_deg=5 + i / 10, qc_status="pass") for i in range(20)]


def test_one_entry_for_a_run_with_all_its_measures(ranked, study):
    study[4] |= {"v1_angle_median_deg": 40.0, "wm_fa_median_sr": 0.6}
    (row,) = ranked(study)
    assert row.run == 4
    assert {one.label for one in row.measures} == {"Change of V1", "Shift of FA in white matter"}
    turned = next(one for one in row.measures if one.label == "Change of V1")
    assert turned.value == "40.0\N{DEGREE SIGN}" and turned.high
    assert turned.usual.startswith("4.0 to 8.")


def test_worse_quality_comes_first_then_the_distance(ranked, study):
    study[3] |= {"v1_angle_median_deg": 90.0}
    study[5] |= {"v1_angle_median_deg": 12.0, "qc_status": "fail"}
    study[7] |= {"v1_angle_median_deg": 12.0, "qc_status": "warn"}
    study[9] |= {"v1_angle_median_deg": 30.0, "qc_status": "warn"}
    assert [row.run for row in ranked(study)] == [5, 9, 7, 3]


def test_negligible_differences_and_other_measures_do_not_count(ranked, study):
    study[2] |= {"wm_fa_median_sr": study[2]["wm_fa_median_sr"] + 0.001}  # others: all the same
    study[6] |= {"seconds_superres": 99999.0}
    assert ranked(study) == []


def test_key_measures_are_of_the_output_and_of_the_network():
    names = {spec.key for spec in METRICS if spec.key_measure}
    assert {"selfcheck_gain_psnr_b0", "left_l2", "wm_fa_shift", "snr"} <= names
    assert lookup("negative_eigenvalue_fraction_sr").key_measure
    assert not lookup("negative_eigenvalue_fraction_input").key_measure
    assert lookup("selfcheck_left_l2").key_measure
    assert not lookup("selfcheck_left_l2_sinc").key_measure
    assert lookup("snr_lowest").key_measure and not lookup("snr_b1000").key_measure


def test_the_study_in_a_few_lines(record, judged):
    values = record(**judged)
    values |= derived(values)
    other = values | {"selfcheck_verdict": "harmed", "qc_status": "fail", "model": "other"}
    answers = dict(study_answers([values, values, other]))
    assert answers["Quality"] == "1 fail, 2 warn of 3 runs."
    assert answers["Super-resolution"] == (
        "Helped on 2, harmed 1 of 3 runs with a self-check; "
        "median gain over the best interpolation: b0 +1.5 dB, DWI +0.5 dB."
    )
    assert "factor 2" in answers["All runs"] and "network" not in answers["All runs"]
    assert study_answers([]) == []


def test_help_at_less_noise_alone_is_counted(record):
    runs = [
        record(selfcheck_verdict="helped", selfcheck_verdict_noisy=v) for v in ("helped", "harmed")
    ]
    told = dict(study_answers(runs))["Super-resolution"]
    assert told.startswith(
        "Helped on 2 of 2 runs with a self-check (1 of them not at the scan's full noise level)"
    )
