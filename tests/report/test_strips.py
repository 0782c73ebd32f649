"""Plots over runs: points stand at their values, and what stands out is named."""

from __future__ import annotations

from itertools import pairwise

from bids_sr.quality.registry import derived
from bids_sr.report.distributions import metric_plots, plotted_families
from bids_sr.report.outliers import MIN_RUNS, fences
from bids_sr.report.strips import plots


def laid(records):
    full = [{**values, **derived(values)} for values in records]
    return plots(metric_plots(full), full)


def plot_of(title, records):
    return next(plot for plot in laid(records) if plot.title == title)


TURN = "Change of V1"


def test_points_stand_at_their_values(record):
    records = [record(v1_angle_median_deg=float(i)) for i in (3, 1, 2, 5, 4, 8, 7, 6)]
    records.insert(2, record(v1_angle_median_deg=None))
    plot = plot_of(TURN, records)
    (strip,) = plot.strips
    assert [point.run for point in strip.points] == [0, 1, 3, 4, 5, 6, 7, 8]
    assert strip.missing == (2,)
    heights = [point.y for point in sorted(strip.points, key=lambda point: point.value)]
    steps = {round(a - b, 1) for a, b in pairwise(heights)}
    assert len(steps) <= 2 and min(steps) > 0  # evenly upwards, up to rounding
    assert strip.box.high < strip.box.middle < strip.box.low
    assert "median 4.5, from 1 to 8" in plot.summary
    first = strip.points[0]
    assert strip.dots.startswith(f"M{first.x:g} {first.y:g}h0M")


def test_pairs_are_joined_within_a_run(record):
    plot = plot_of("FA in white matter", [record(), record(wm_fa_median_sr=None)])
    assert plot.paired and plot.pairs.count("M") == 1
    assert all(strip.box is None for strip in plot.strips)  # too few for quartiles
    many = plot_of("FA in white matter", [record()] * 500)
    assert many.paired and not many.pairs


def test_residuals_of_all_shells_share_a_plot(record):
    plot = plot_of("Residual", [record(dc_nrmse_b300=0.01)])
    assert [strip.points[0].value for strip in plot.strips] == [0.2, 1.0]
    assert plot.unit == "%"


def test_metrics_that_belong_together_share_a_plot(record):
    values = record(
        selfcheck_psnr_dwi_sinc=23.0,
        selfcheck_psnr_dwi_network=24.0,
        thing_input=1.0,
        thing_sr=2.0,
        odd=3.0,
        text="x",
        zero=0.0,
    )
    found = {plot.title: plot for plot in laid([values])}
    assert [strip.label for strip in found["PSNR, DWI"].strips] == [
        "sinc",
        "network",
    ]
    assert found["thing"].paired
    assert found["odd"].family == plotted_families()[-1]
    assert not {"text", "zero", "n_volumes", "dc_nrmse_b1000", "dc_bias_b1000"} & set(found)
    families = [plot.family for plot in laid([values])]
    assert families == sorted(families, key=plotted_families().index)


def test_a_flood_of_unknown_metrics_is_cut(record):
    flood = {f"unknown{i}": 1.0 for i in range(500)}
    assert len(laid([record(**flood)])) < 60


def test_outliers_are_found_and_sorted(record):
    angles = [5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 8.5, 9.0, 9.5, 40.0, 20.0, -15.0]
    records = [record(v1_angle_median_deg=angle) for angle in angles]
    plot = plot_of(TURN, records)
    (strip,) = plot.strips
    assert [point.value for point in strip.outliers] == [40.0, -15.0, 20.0]
    assert len(strip.limits) == 2
    assert "3 stand out" in plot.summary


def test_few_runs_have_no_outliers(record):
    few = [record(v1_angle_median_deg=5.0 + i / 9) for i in range(MIN_RUNS - 2)]
    few.append(record(v1_angle_median_deg=90.0))
    (strip,) = plot_of(TURN, few).strips
    assert strip.fences is None and strip.outliers == []


def test_fences_where_most_are_the_same():
    assert fences([0.0] * 19 + [1.0]).outside is not None
    assert fences([0.0] * 15 + [1.0] * 3) is None
    assert fences([1e308, -1e308] * 10) is not None
    assert fences([0.0] * 20).low == 0.0


def test_printed_ticks_are_the_true_ones(record):
    values = [record(v1_angle_median_deg=i * 0.012) for i in range(9)]
    texts = [float(tick.text) for tick in plot_of(TURN, values).ticks]
    assert len({round(b - a, 9) for a, b in pairwise(texts)}) == 1
