"""What the pages say: values, their absence, cautions, methods."""

from __future__ import annotations

import json

import pytest

from bids_sr.quality.metric_spec import MetricSpec, is_known
from bids_sr.quality.registry import METRICS, lookup
from bids_sr.quality.verdict import quality_lights
from bids_sr.report.methods import describe
from bids_sr.report.summary import summary
from bids_sr.report.tables import (
    group_rows,
    leftovers,
    model_grids,
    model_rows,
    other_rows,
    pair_rows,
    scan_rows,
    shell_metrics,
    shell_rows,
    single_rows,
    table_metrics,
)


def cells(rows):
    return {row.label: [cell.text for cell in row.cells] for row in rows}


@pytest.mark.parametrize("value", [None, "", "n/a", float("nan"), float("inf"), [], {}])
def test_nothing_is_printed_as_not_known(value):
    assert not is_known(value)
    assert MetricSpec("x", "x").text(value) == "not known"


@pytest.mark.parametrize("value", [0, 0.0, False, "0", [0]])
def test_zero_and_no_are_known(value):
    assert is_known(value)


def test_small_is_not_printed_as_zero():
    entry = MetricSpec("x", "x", percent=True)
    assert entry.text(0.0) == "0.000 %"
    assert entry.text(1e-9) == "< 0.001 %"
    assert entry.text(-1e-9) == "< 0.001 %"
    assert MetricSpec("x", "x", unit="°", decimals=1).with_unit(7.9) == "7.9°"
    assert entry.text(0.5) == "50.000 %"


def test_changes_have_a_sign_or_are_not_known():
    entry = MetricSpec("x", "x", decimals=2)
    assert entry.change(0.4, 0.5) == "+0.10"
    assert entry.change(0.5, 0.4) == "-0.10"
    assert entry.change(0.5, 0.501) == entry.change(0.501, 0.5) == "< 0.01"
    assert entry.change(None, 0.4) == "not known"
    assert entry.change(0.5, float("nan")) == "not known"


def test_every_key_of_the_record_is_shown_somewhere(record):
    assert leftovers(record()) == []
    odd = record(new_metric=0.25, nested={"a": 1}, **{"<b>": "x"})
    assert leftovers(odd) == ["new_metric", "nested", "<b>"]
    assert cells(other_rows(odd)) == {
        "new_metric": ["0.250"],
        "nested": ['{"a": 1}'],
        "<b>": ["x"],
    }
    assert lookup("new_metric").label == "new_metric"


def test_spread_of_the_copies_in_words(record):
    values = record(ensemble=8, uncertainty=True, sd_dwi_median=0.0031, sd_fa_median=0.0084)
    assert leftovers(values) == []
    rows = cells(single_rows(values, table_metrics()))
    assert rows["Self-ensemble SD"] == ["0.310 %"]
    assert rows["Self-ensemble SD of FA"] == ["0.0084"]
    assert "not a confidence interval" in describe([values]).markdown()
    assert "not a confidence interval" not in describe([record()]).markdown()
    assert "Self-ensemble SD of FA" not in cells(single_rows(record(), table_metrics()))


def test_before_and_after_stand_side_by_side(record):
    rows = cells(pair_rows(record(), table_metrics()))
    assert rows["FA in white matter"] == ["0.410", "0.440", "+0.030"]
    assert rows["Negative eigenvalues"] == ["0.000 %", "0.010 %", "+0.010 %"]


def test_shells_in_ascending_order(record):
    rows = shell_rows(record(dc_nrmse_b300=0.01, dc_bias_b300=None))
    assert [row.label for row in rows] == ["b = 0", "b = 300", "b = 1000"]
    assert cells(rows)["b = 300"] == ["1.000 %", "not known"]


def test_scan_in_readable_units(record):
    rows = cells(scan_rows(record(shells="1000;2000")))
    assert rows["Shells"] == ["1000, 2000 s/mm²"]
    assert rows["Acquired voxel size"] == [
        "2.00 \N{MULTIPLICATION SIGN} 2.00 \N{MULTIPLICATION SIGN} 3.00 mm"
    ]
    assert rows["Slice axis"] == ["k"]


def test_empty_record_says_not_known_everywhere():
    for rows in (scan_rows({}), pair_rows({}, table_metrics()), single_rows({}, table_metrics())):
        assert rows
        assert all(not cell.known for row in rows for cell in row.cells)


def test_model_card_says_what_it_does_not_say(card):
    rows = cells(model_rows(card(data=()).to_dict()))
    assert rows["Training data"] == ["the card does not say"]
    assert "Known limitations" not in rows
    told = cells(model_rows(card(limitations=["Learned a flipped table."]).to_dict()))
    assert told["Known limitations"] == ["Learned a flipped table."]
    assert model_rows({}) == []


def test_figures_of_the_model_card_become_a_table(card):
    lines = [{"method": "sinc", "psnr": 26.544}, {"method": "network", "ssim": 0.9}]
    model = card(figures={"validation": lines, "psnr": 27.5}).to_dict()
    (grid,) = model_grids(model)
    assert grid.heads == ("method", "psnr", "ssim")
    assert cells(grid.rows) == {"sinc": ["26.544", "not known"], "network": ["not known", "0.900"]}
    assert cells(model_rows(model))["Measured on held-out scans"] == ["psnr: 27.5"]
    for odd in ({"figures": 3}, {"figures": {"a": [1]}}, {"figures": {"a": [{}]}}):
        assert model_grids(odd) == []


STEADY = {"wm_fa_median_sr": 0.42}
"""A shift of FA below its limit."""


def points(values, model):
    """Return all that the page says under cautions and notes."""
    told = summary(values, quality_lights(values, model))
    return [one.text for one in told.cautions] + list(told.notes)


def test_a_usual_run_needs_no_caution(record, card):
    assert points(record(**STEADY), json.loads(json.dumps(card().to_dict()))) == []


@pytest.mark.parametrize(
    ("changes", "model", "told"),
    [
        ({"data_consistency": False}, {}, "switched off"),
        ({"input_zooms_mm": "1.00x1.00x3.00"}, {}, "as in most scans"),
        ({"input_zooms_mm": "3.00x2.00x3.00"}, {}, "outside what the network was trained on"),
        ({"shells": "1000;5000"}, {}, "b = 5000"),
        ({"bad_lines": "volume 3: line 7", "n_bad_slices": 1}, {}, "damaged: volume 3: line 7."),
        ({"dti_skipped_reason": "DTI skipped: no b0."}, {}, "DTI skipped: no b0."),
        ({"gqi_skipped_reason": "GQI skipped."}, {}, "GQI skipped."),
        ({"notes": "The batch was halved."}, {}, "The batch was halved."),
        ({"v1_angle_median_deg": None}, {}, "Change of V1"),
        ({"wm_fa_median_sr": float("nan")}, {}, "FA in white matter"),
        (
            {
                "dc_nrmse_b0": None,
                "dc_nrmse_b1000": None,
                "dc_bias_b0": None,
                "dc_bias_b1000": None,
            },
            {},
            "residual",
        ),
    ],
)
def test_cautions(record, card, changes, model, told):
    texts = points(record(**STEADY | changes), card().to_dict() | model)
    assert len(texts) == 1
    assert told in texts[0]


def test_the_slice_axis_decides_what_is_in_plane(record, card):
    sagittal = record(**STEADY, input_zooms_mm="3.00x2.00x2.00", slice_axis=0)
    assert points(sagittal, card().to_dict()) == []


def test_a_card_that_does_not_say_leaves_it_unjudged(record, card):
    silent = card().to_dict() | {"voxel_sizes_mm": [], "b_values": []}
    lights = {light.key: light for light in quality_lights(record(), silent)}
    assert "does not say which voxel sizes" in lights["input_zooms_mm"].text
    assert "does not say which b-values" in lights["shells"].text
    assert points(record(**STEADY), silent) == []


@pytest.mark.parametrize(
    "damage",
    [
        {"input_zooms_mm": "big"},
        {"shells": "many;few"},
        {"slice_axis": "k"},
        {"notes": ["a", 3]},
        {"shells": None},
    ],
)
def test_odd_records_do_not_stop_the_page(record, card, damage):
    points(record(**damage), card().to_dict())
    points(record(**damage), {"voxel_sizes_mm": "x", "b_values": [None, {}]})
    scan_rows(record(**damage))


def test_skipped_fits_are_not_called_missing(record, card):
    none = dict.fromkeys((k for k in record() if k.startswith(("wm_", "v1_", "n"))), None)
    texts = points(record(**none, dti_skipped_reason="DTI skipped."), card().to_dict())
    assert "DTI skipped." in texts
    assert not any("FA" in text for text in texts)


def test_every_metric_of_a_group_stands_in_its_table(record):
    values = record(
        grid_f_dwi_p4_input=1.1, grid_f_dwi_p4_sr=250.0, peak_db_dwi_p4=12.3, ndc_input=0.8,
        ndc_sr=0.81, sigma_mppca=11.0, sigma_note="No background.", snr_b0=20.0, snr_b1000=9.5,
        dc_rms_sigma_b0=0.02, wm_qa_median_input=0.2, wm_qa_median_sr=0.21, band_note="axis i",
        bad_lines="volume 0, slice 46 (saturated line j = 80)", n_bad_slices=1,
        nonfinite_dwi_fraction_sr=0.0, seconds_total=140.0, peak_memory_gb=1.2,
    )  # fmt: skip
    assert leftovers(values) == []
    groups = {group.title: group for group in group_rows(values)}
    grids = groups["Grid artifacts"]
    assert cells(grids.pairs) == {"Grid of 4 pixels, F": ["1.100", "250.000", "+248.900"]}
    assert cells(grids.single) == {"Spectral peak of 4 pixels (dB)": ["12.3"]}
    assert "Note on the noise estimate" in cells(groups["Noise and sharpness"].single)
    assert "QA in white matter" in cells(groups["White matter"].pairs)
    heads = [spec.key for spec in shell_metrics(values)]
    assert heads == ["dc_nrmse", "dc_bias", "dc_rms_sigma", "snr"]
    assert cells(shell_rows(values))["b = 0"][2:] == ["0.020", "20.0"]
    assert [spec.key for spec in shell_metrics(record())] == ["dc_nrmse", "dc_bias"]
    assert "Grid artifacts" not in {group.title for group in group_rows(record())}
    assert any("saturated line" in text for text in points(values, {}))
    assert lookup("snr_b1000").label == "SNR of the input, b = 1000"


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.key)
def test_every_description_stands_alone(spec):
    """Tooltips and the data dictionary show it without the metric above."""
    assert spec.meaning.endswith((".", "?")) and spec.meaning[0].isupper()
    assert spec.meaning.rstrip(".") != spec.label
    for words in ("The same", "that difference", "that pattern", "that period"):
        assert words not in spec.meaning


def test_a_model_card_is_printed_for_readers(card):
    told = card(voxel_sizes_mm=[[2.3955, 2.3955, 1.25]]).to_dict()
    told["extrapolation"] = {"from_mm": 3.5, "to_mm": 2.4, "b0": 0.035, "mean": 0.107, "l2": None}
    rows = cells(model_rows(told))
    (beyond,) = (cell for label, cell in rows.items() if "one step beyond" in label)
    assert beyond == ["3.5 to 2.4 mm: b0 +0.035, mean over directions +0.107"]
    assert rows["Trained voxel sizes (mm)"][0].startswith("2.4 ")
