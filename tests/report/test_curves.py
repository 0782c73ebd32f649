"""Curves: what is there is drawn, what is missing or damaged is left out."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from bids_sr.report.charts import agreement_charts, charts, grid_charts
from bids_sr.report.curves import Curves, read_curves
from bids_sr.report.heat import Cells, heat_map
from bids_sr.report.plots import Line, line_chart

TITLES = [
    "Residual by volume and slice",
    "Power spectrum, before and after",
    "Power spectrum of the input by axis",
    "Fractional anisotropy, before and after",
    "Mean diffusivity, before and after",
    "Grid artifacts, weighted volumes",
    "Grid artifacts, FA",
]


def drawn(path):
    curves = read_curves(path)
    return [*agreement_charts(curves), *charts(curves), *grid_charts(curves)]


def test_all_charts_are_drawn(put_curves):
    found = drawn(put_curves())
    assert [chart.title for chart in found] == TITLES
    for chart in found:
        assert chart.caption
        for _, drawing in chart.drawings:
            svg = ElementTree.fromstring(drawing)
            assert svg.get("role") == "img" and svg.get("aria-label")


@pytest.mark.parametrize("number", range(7))
def test_each_part_may_be_missing(put_curves, curves, number):
    parts = list(curves())
    content = curves()
    if number < len(parts):
        del content[parts[number]]
    assert 4 < len(drawn(put_curves(content))) <= 7


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"dc_map": 3, "spectra": [], "lattice": "x", "histograms": None, "bad_slices": 7},
        {"dc_map": {"values": [[1, 2], [3]]}, "bad_slices": [{"volume": "x"}, 4]},
        {"spectra": {"frequency": [0, 1], "interpolated": [1]}},
        {"lattice": {"dwi": {"2": [[1, 2]], "4": [[None] * 4] * 4}}},
        {"histograms": {"fa": {"edges": [0, 1], "input": [1, 2]}}},
        {"axis_spectra": {"i": {"frequency": [0, "a"], "power": [1, 2]}}},
    ],
)
def test_damaged_parts_are_left_out(put_curves, content):
    assert drawn(put_curves(content)) == []


def test_no_file_and_no_json(tmp_path):
    assert read_curves(tmp_path / "none.json") == Curves()
    (tmp_path / "bad.json").write_text("{")
    assert read_curves(tmp_path / "bad.json") == Curves()


def test_bad_slice_is_outlined_at_its_cell_and_named(put_curves):
    (chart, *_) = drawn(put_curves())
    assert chart.notes == ("Volume 3, slice 5: saturated line j = 12",)
    svg = ElementTree.fromstring(chart.drawings[0][1])
    (box,) = [e for e in svg.iter("rect") if e.get("class") == "outlined"]
    left, top, wide, high = json.loads(svg.get("data-box"))
    column = (float(box.get("x")) + float(box.get("width")) / 2 - left) / wide * 12
    row = (float(box.get("y")) + float(box.get("height")) / 2 - top) / high * 17
    assert (int(row), int(column)) == (3, 5)
    assert json.loads(svg.get("data-values"))[3][5] == 4.0
    assert json.loads(svg.get("data-values"))[0][0] is None


def test_bad_slices_beyond_the_map_are_named_only(put_curves, curves):
    far = [{"volume": 99, "slice": 5, "text": "far"}]
    (chart, *_) = drawn(put_curves(curves(bad_slices=far)))
    assert "outlined" not in chart.drawings[0][1]
    assert "far" in chart.notes[0]


def test_the_measured_band_is_marked_where_it_ends_early(put_curves):
    axes = read_curves(put_curves()).axes
    assert axes[0].limit == pytest.approx(0.78 * 0.5)
    assert axes[1].limit is None


def test_md_in_si_units_is_printed_as_usual(put_curves, curves):
    content = curves()
    content["histograms"]["md"]["edges"] = [0.003 * e for e in np.linspace(0, 1, 31)]
    (_, lines) = read_curves(put_curves(content)).histograms[1]
    assert max(lines[0].x) == pytest.approx(3)


def test_a_shift_of_all_cells_is_no_pattern(put_curves, curves):
    content = curves(lattice={"dwi": {"2": [[5.1, 5.1], [5.1, 5.1]], "4": [[5.0] * 4] * 4}})
    ((_, maps),) = read_curves(put_curves(content)).lattice
    assert all(np.allclose(cells.values, 0) for cells in maps)


def test_texts_of_a_chart_stay_texts(hostile, put_curves, curves):
    bad = [{"volume": 0, "slice": 0, "text": hostile}]
    content = curves(bad_slices=bad, dc_map={"values": [[1.0, 2.0]], "unit": hostile})
    for chart in drawn(put_curves(content)):
        assert "<script" not in "".join(drawing for _, drawing in chart.drawings)


def test_lines_lie_where_their_values_are():
    svg = ElementTree.fromstring(
        line_chart("t", [Line("a", [0, 1, 2], [0, 5, 10])], "x", "y", floor=-10)
    )
    (path,) = list(svg.iter("path"))
    points = [tuple(map(float, p.split())) for p in path.get("d")[1:].split("L")]
    xs, ys = zip(*points, strict=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])
    assert ys[0] > ys[1] > ys[2]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2])


def test_map_without_any_value():
    cells = Cells("t", np.full((2, 2), np.nan), "row", "column")
    assert "without a value" in heat_map(cells)
