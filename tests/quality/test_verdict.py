"""Lights: what turns amber or red, and that a missing metric is never green."""

from __future__ import annotations

import pytest

from bids_sr.quality.gain import CLASSICAL
from bids_sr.quality.registry import METRICS
from bids_sr.quality.verdict import (
    FAIL,
    GRID,
    NOTE,
    PASS,
    UNKNOWN,
    WARN,
    quality_lights,
    summary,
)

CARD = {"voxel_sizes_mm": [[2.0, 2.0, 3.0]], "b_values": [1000]}


def record(**changes):
    """A record with which nothing is wrong."""
    metrics = {
        "input_zooms_mm": "2.00x2.00x3.00",
        "slice_axis": 2,
        "shells": "1000",
        "input_band": "1.00x1.00",
        "band_note": "",
        "dti_skipped_reason": "",
        "dc_bias_b0": 0.001,
        "dc_bias_b1000": -0.002,
        "nonfinite_dwi_fraction_sr": 0.0,
        "nonfinite_fraction_sr": 0.0,
        "n_bad_slices": 0,
        "wm_fa_median_input": 0.41,
        "wm_fa_median_sr": 0.43,
        "wm_md_median_input": 0.75,
        "wm_md_median_sr": 0.74,
        "gradients_verdict": "as expected",
        "gradients_coherence": 0.2,
        "gradients_coherence_best": 0.2,
        "gradients_fixed": False,
        "gradients_note": "",
        "selfcheck_verdict": "helped",
        "selfcheck_psnr_dwi_network": 24.0,
    }
    metrics |= {f"selfcheck_psnr_dwi_{method}": 23.0 for method in CLASSICAL}
    for image in ("dwi", "fa"):
        for period in (2, 4, 8, 16):
            metrics[f"grid_f_{image}_p{period}_sr"] = 1.1
            metrics[f"grid_a_{image}_p{period}_sr"] = 0.013
            metrics[f"grid_a_dwi_p{period}_input"] = 0.01
    return metrics | changes


def lights(**changes):
    return {light.key: light for light in quality_lights(record(**changes), CARD)}


def test_a_good_run_passes():
    found = lights()
    assert {light.status for light in found.values()} == {PASS}
    assert summary(record(), CARD) == {"qc_status": "pass", "qc_reasons": ""}


@pytest.mark.parametrize(
    ("changes", "key", "status"),
    [
        ({"selfcheck_verdict": "harmed"}, "selfcheck_verdict", FAIL),
        ({"selfcheck_verdict": "no gain"}, "selfcheck_verdict", WARN),
        ({"selfcheck_verdict": ""}, "selfcheck_verdict", UNKNOWN),
        ({"selfcheck_verdict_noisy": "harmed"}, "selfcheck_verdict", WARN),
        ({"gradients_verdict": "x flipped"}, "gradients_verdict", FAIL),
        ({"gradients_verdict": "x flipped", "gradients_fixed": True}, "gradients_verdict", WARN),
        ({"gradients_verdict": "in the world's frame"}, "gradients_verdict", FAIL),
        ({"gradients_verdict": "not decided"}, "gradients_verdict", UNKNOWN),
        ({"gradients_verdict": None}, "gradients_verdict", UNKNOWN),
        ({"grid_f_dwi_p8_sr": 21.0, "grid_a_dwi_p8_sr": 0.06}, "grid_dwi", FAIL),
        (
            {"grid_f_dwi_p8_sr": 21.0, "grid_a_dwi_p8_sr": 0.06, "grid_a_dwi_p8_input": 0.05},
            "grid_dwi",
            PASS,
        ),
        ({"grid_f_dwi_p8_sr": 21.0}, "grid_dwi", PASS),
        ({"grid_a_dwi_p8_sr": 0.06}, "grid_dwi", PASS),
        ({"grid_f_dwi_p8_sr": 21.0, "grid_a_dwi_p4_sr": 0.06}, "grid_dwi", PASS),
        ({"grid_f_fa_p2_sr": 500.0, "grid_a_fa_p2_sr": 0.5}, "grid_fa", FAIL),
        ({"grid_f_fa_p2_sr": None}, "grid_fa", UNKNOWN),
        ({"dc_bias_b1000": -0.03}, "dc_bias", FAIL),
        ({"dc_bias_b0": None, "dc_bias_b1000": None}, "dc_bias", UNKNOWN),
        ({"nonfinite_dwi_fraction_sr": 1e-7}, "nonfinite_dwi_fraction_sr", FAIL),
        ({"nonfinite_dwi_fraction_sr": None}, "nonfinite_dwi_fraction_sr", UNKNOWN),
        ({"nonfinite_fraction_sr": 0.01}, "nonfinite_fraction", WARN),
        ({"n_bad_slices": 1}, "n_bad_slices", WARN),
        ({"wm_fa_median_sr": 0.48}, "wm_fa_shift", WARN),
        ({"wm_fa_median_sr": 0.34}, "wm_fa_shift", WARN),
        ({"wm_md_median_sr": 0.68}, "wm_md_shift", WARN),
        ({"wm_md_median_sr": float("nan")}, "wm_md_shift", UNKNOWN),
        ({"input_band": "0.78x1.00"}, "input_band", WARN),
        ({"band_note": "Zero-filled along i."}, "input_band", WARN),
        ({"input_zooms_mm": "1.00x1.00x3.00"}, "input_zooms_mm", NOTE),
        ({"input_zooms_mm": "2.00x2.00x1.50"}, "input_zooms_mm", NOTE),
        ({"input_zooms_mm": "3.00x3.00x3.00"}, "input_zooms_mm", WARN),
        ({"input_zooms_mm": "1.00x1.00x6.00"}, "input_zooms_mm", WARN),
        ({"shells": "1000;5000"}, "shells", WARN),
        ({"shells": ""}, "shells", UNKNOWN),
    ],
)
def test_each_light(changes, key, status):
    found = lights(**changes)
    assert found[key].status == status
    assert found[key].text
    assert {light.status for other, light in found.items() if other != key} == {PASS}
    verdict = summary(record(**changes), CARD)
    assert verdict["qc_status"] == (PASS if status == NOTE else status)
    assert bool(verdict["qc_reasons"]) is (status not in (PASS, NOTE))


@pytest.mark.parametrize("empty", [{}, {"wm_fa_median_sr": None}, {"dc_bias_b0": "n/a"}])
def test_nothing_is_green_by_absence(empty):
    found = quality_lights(empty, {})
    assert {light.status for light in found} == {UNKNOWN}
    assert {light.value for light in found} == {None}
    assert {spec.key for spec in METRICS if spec.limits} <= {light.key for light in found}
    assert summary(empty, {})["qc_status"] == "unknown"


def test_the_worst_decides_and_comes_first():
    bad = record(selfcheck_verdict="harmed", n_bad_slices=2, dc_bias_b0=None, dc_bias_b1000=None)
    assert [light.status for light in quality_lights(bad, CARD)[:3]] == [FAIL, WARN, UNKNOWN]
    told = summary(bad, CARD)
    assert told["qc_status"] == "fail"
    first, second, last = told["qc_reasons"].split("; ")
    assert "worse than the best interpolation" in first and "Damaged slices" in second
    assert last == "not judged: dc_bias"


def test_maps_that_were_not_asked_for_are_not_missed():
    found = lights(dti_skipped_reason="DTI skipped: no b0.", wm_fa_median_sr=None)
    assert not {"gradients_verdict", "grid_fa", "wm_fa_shift", "nonfinite_fraction"} & set(found)
    assert {light.status for light in found.values()} == {PASS}


def test_a_wrong_gradient_table_is_told_with_its_remedy():
    wrong = {"gradients_verdict": "z flipped, x and y exchanged", "gradients_coherence": 0.01}
    text = lights(**wrong)["gradients_verdict"].text
    assert "exchange x and y, then change the sign of z in the bvec file" in text
    assert "--gradient-check fix" in text and "0.01" in text and "0.20" in text
    mended = lights(**wrong, gradients_fixed=True)["gradients_verdict"].text
    assert "a corrected one is used" in mended and "--gradient-check" not in mended
    reason = {"gradients_verdict": "not decided", "gradients_note": "Too few directions."}
    assert "Too few directions." in lights(**reason)["gradients_verdict"].text


def test_there_is_no_light_where_nobody_looked():
    found = lights(gradients_verdict="not checked")
    assert "gradients_verdict" not in found
    assert {light.status for light in found.values()} == {PASS}


def test_noise_is_judged_where_the_card_tells_its_range():
    card = CARD | {"snr_b0": [10.0, 30.0]}
    for snr, status in ((20.0, PASS), (5.0, WARN), (90.0, NOTE), (None, UNKNOWN)):
        found = {light.key: light for light in quality_lights(record(snr_b0=snr), card)}
        assert found["snr_b0"].status == status


def test_a_note_leaves_the_run_as_good_as_it_is():
    found = summary(record(input_zooms_mm="1.00x1.00x3.00"), CARD)
    assert found == {"qc_status": PASS, "qc_reasons": ""}
    assert (
        summary(record(input_zooms_mm="1.00x1.00x3.00", n_bad_slices=1), CARD)["qc_status"] == WARN
    )


def test_a_grid_is_told_with_its_period():
    text = lights(grid_f_dwi_p4_sr=826.0, grid_a_dwi_p4_sr=0.09)["grid_dwi"].text
    assert "826" in text and "period of 4 voxels" in text and f"{GRID.f:g}" in text


def test_factor_3_is_looked_at_for_its_own_period():
    assert lights(scale_factor=3)["grid_dwi"].status == UNKNOWN
    clean = {f"grid_{kind}_{image}_p3_sr": 0.01 for kind in "fa" for image in ("dwi", "fa")}
    assert lights(scale_factor=3, **clean)["grid_dwi"].status == PASS
    found = lights(scale_factor=3, **clean | {"grid_f_fa_p3_sr": 90.0, "grid_a_fa_p3_sr": 0.2})
    assert found["grid_fa"].status == FAIL and "period of 3" in found["grid_fa"].text
    # what unequal smoothing of the three sub-pixels prints into FA, cubic interpolation's too
    found = lights(scale_factor=3, **clean | {"grid_f_fa_p3_sr": 90.0, "grid_a_fa_p3_sr": 0.08})
    assert found["grid_fa"].status == PASS
