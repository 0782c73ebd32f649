"""The registry: one entry for each key, values that are judged, metrics made of others."""

from __future__ import annotations

from collections import Counter

import pytest

from bids_sr.quality.gain import SELF_CHECK_METRICS
from bids_sr.quality.metric_spec import PLAUSIBILITY, Per
from bids_sr.quality.registry import (
    METRICS,
    derived,
    families,
    family,
    find,
    is_described,
    lookup,
    place,
    shell_of,
    value_of,
)
from bids_sr.quality.registry.self_check import SCORES


def test_no_two_entries_say_the_same():
    assert max(Counter(spec.key for spec in METRICS).values()) == 1
    labels = Counter((spec.family, spec.label) for spec in METRICS)
    assert [label for label, count in labels.items() if count > 1] == []
    for spec in METRICS:
        columns = [f"{spec.key}_input", f"{spec.key}_sr"] if spec.per == Per.SIDE else []
        columns += [f"{spec.key}_b0", f"{spec.key}_b700"] if spec.per == Per.SHELL else []
        assert all(find(key) is spec for key in [spec.key, *columns]), "hidden by another"


def test_every_entry_can_be_printed():
    for spec in METRICS:
        assert spec.label and spec.description and spec.family in families()
        assert not (spec.percent and spec.unit), spec.key
        assert spec.limits is None or spec.per in (Per.RUN, Per.SIDE, Per.SHELL)
        assert spec.of_volume is None or spec.per == Per.SIDE, spec.key
    assert [score.key for score in SCORES] == list(SELF_CHECK_METRICS)


@pytest.mark.parametrize(
    ("key", "metric", "label"),
    [
        ("wm_md_median_input", "wm_md_median", "MD in white matter, input"),
        ("dc_bias_b1000", "dc_bias", "Bias against the input, b = 1000"),
        ("dc_nrmse_highest", "dc_nrmse", "Residual, highest of b > 0"),
        ("selfcheck_left_l2", "left_l2", "Self-check, Unexplained detail, between directions"),
        ("selfcheck_fa_mae_noise", "fa_mae", "Self-check, Error of FA, noise alone"),
    ],
)
def test_a_key_is_told_with_what_it_is_of(key, metric, label):
    assert find(key).key == metric
    assert lookup(key).key == key
    assert lookup(key).label.startswith(label)
    assert lookup(key).decimals == find(key).decimals


def test_what_nobody_knows_keeps_its_key_and_comes_last():
    for key in ("mine", "mine_input", "mine_b1000", "wm_fa_median_b0"):
        assert find(key) is None and not is_described(key) and lookup(key).label == key
        assert place(key) > max(place(spec.key) for spec in METRICS)
    assert shell_of("mine_b1000") is None and shell_of("wm_fa_median_input") is None
    assert is_described("numpy_version")


def test_the_worst_shell_and_the_output_are_judged():
    record = {
        "dc_bias_b0": 0.01,
        "dc_bias_b1000": -0.03,
        "dc_bias_b2000": None,
        "nonfinite_fraction_input": 0.5,
        "nonfinite_fraction_sr": 0.25,
        "wm_md_median_input": 0.8,
        "wm_md_median_sr": 0.6,
        "n_bad_slices": True,
    }
    values = {spec.key: value_of(spec, record) for spec in METRICS if spec.limits}
    assert values["dc_bias"] == -0.03
    assert values["nonfinite_fraction"] == 0.25
    assert values["wm_md_shift"] == pytest.approx(-0.25)
    assert values["n_bad_slices"] is None and values["wm_fa_shift"] is None
    assert derived({"wm_md_median_input": 0.0, "wm_md_median_sr": 1.0}) == {}


def test_families_are_read_in_the_order_of_the_registry():
    keys = [spec.key for spec in family(PLAUSIBILITY)]
    assert {"nonfinite_dwi_fraction_sr", "nonfinite_fraction"} <= set(keys)
    assert keys == [spec.key for spec in METRICS if spec.key in keys]
