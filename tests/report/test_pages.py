"""Participant and group pages from records; nothing in them is taken for markup."""

from __future__ import annotations

import csv
import json
import os
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from bids_sr.errors import UsageError
from bids_sr.report.group import write_group
from bids_sr.report.participant import write_participant_page
from bids_sr.report.strips import largest_residuals, nice_ticks, plots


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self._open = [], "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data):
        if self._open not in ("script", "style"):
            self.text += f" {data}"

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_page_of_a_real_folder(output):
    out = output()
    page = Page(write_participant_page(out, "01"))
    images = page.all("img")
    assert len(images) == 14
    assert all((out / image["src"]).is_file() and image["alt"] for image in images)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    assert set(targets) <= set(ids)
    methods = out / "sub-01" / "figures" / "sub-01_desc-methods.md"
    assert any(a["href"] == "sub-01/figures/sub-01_desc-methods.md" for a in page.all("a"))
    assert "Lohr" in methods.read_text()
    times = " \N{MULTIPLICATION SIGN} "
    assert f"2.00{times}2.00{times}3.00 mm" in page.text
    assert "FA in white matter" in page.text


def test_page_needs_no_network(output):
    page = Page(write_participant_page(output(), "01"))
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action") and value
    ]
    assert addresses
    assert not any(address.startswith(("http:", "https:", "//")) for address in addresses)


def assert_harmless(page):
    assert len(page.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert not any(image["src"] == "x" for image in page.all("img"))
    assert "window.hacked" in page.text  # shown as text


def test_hostile_texts_stay_texts(output, card, hostile):
    out = output(
        run=hostile,
        model=hostile,
        device=hostile,
        notes=hostile,
        acquisition=hostile,
        shells=hostile,
        input_zooms_mm=hostile,
        **{hostile: hostile},
    )
    index = next(out.glob("sub-01/figures/*_desc-index_dwi.json"))
    content = json.loads(index.read_text())
    for key in ("title", "alt", "caption", "section", "before_label"):
        content["figures"][0][key] = hostile
    content["model"] = dict.fromkeys(card().to_dict(), hostile) | {hostile: hostile}
    index.write_text(json.dumps(content))
    errors = [{"run": hostile, "message": hostile, "crash_file": hostile}]
    assert_harmless(Page(write_participant_page(out, "01", errors=errors)))
    (out / "logs").mkdir()
    (out / "logs" / "sub-01_acq-x_error.json").write_text(json.dumps({"message": hostile}))
    _, group = write_group(out)
    assert_harmless(Page(group))


def test_runs_of_a_participant_share_a_page(put_record, tmp_path):
    put_record("sub-01_ses-a_res-x2", run="sub-01_ses-a")
    put_record("sub-01_ses-a_res-x3", run="sub-01_ses-a")
    put_record("sub-010_res-x2", run="sub-010")
    page = Page(write_participant_page(tmp_path / "out", "01"))
    assert "sub-01 ses-a res-x2" in page.text
    assert "sub-01 ses-a res-x3" in page.text
    assert "sub-010" not in page.text
    assert "2 runs super-resolved" in page.text
    assert "No pictures were made" in page.text


def test_sessions_are_found(put_record, tmp_path):
    path = put_record("sub-01_ses-a_res-x2")
    folder = tmp_path / "out" / "sub-01" / "ses-a" / "dwi"
    folder.mkdir(parents=True)
    path.rename(folder / path.name)
    assert "sub-01 ses-a res-x2" in Page(write_participant_page(tmp_path / "out", "01")).text


def test_failures_are_on_the_page(put_record, tmp_path):
    put_record()
    logs = tmp_path / "out" / "logs"
    logs.mkdir()
    for label in ("sub-01_acq-AP", "sub-010_acq-PA"):
        content = {"run": label, "message": f"{label}: too short.", "crash_file": None}
        (logs / f"{label}_error.json").write_text(json.dumps(content))
    told = [{"run": "sub-01_run-2", "message": "no bvec", "crash_file": "logs/crash.txt"}]
    page = Page(write_participant_page(tmp_path / "out", "01", errors=told))
    for text in ("2 failed", "sub-01_acq-AP: too short.", "no bvec", "logs/crash.txt"):
        assert text in page.text
    assert "sub-010" not in page.text


def test_a_failure_that_has_been_made_good_is_gone(put_record, tmp_path):
    record = put_record()
    error = tmp_path / "out" / "logs" / "sub-01_error.json"
    error.parent.mkdir()
    error.write_text(json.dumps({"run": "sub-01", "message": "disk full"}))
    os.utime(error, (1, 1))
    assert "disk full" not in Page(write_participant_page(tmp_path / "out", "01")).text
    os.utime(record, (0, 0))
    assert "disk full" in Page(write_participant_page(tmp_path / "out", "01")).text


@pytest.mark.parametrize("text", ["{", "[]", "", '{"run": NaN}'])
def test_damaged_records_are_told(put_record, tmp_path, text):
    put_record("sub-01_acq-ok_res-x2")
    put_record("sub-01_acq-bad_res-x2").write_text(text)
    page = Page(write_participant_page(tmp_path / "out", "01"))
    assert "sub-01 acq-ok res-x2" in page.text
    assert "acq-bad" in page.text
    write_group(tmp_path / "out")


def test_page_without_anything_says_so(tmp_path):
    page = Page(write_participant_page(tmp_path, "07"))
    assert "nothing to show" in page.text


def read_table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_group_table_has_a_row_for_each_run_and_all_keys(put_record, tmp_path):
    put_record("sub-02_res-x2", run="sub-02", wm_fa_median_sr=None, extra="a\tb\nc")
    put_record("sub-01_res-x2", data_consistency=False, dc_nrmse_b3000=0.5)
    table, _ = write_group(tmp_path / "out")
    rows = read_table(table)
    assert [row["bids_name"] for row in rows] == ["sub-01_res-x2", "sub-02_res-x2"]
    assert rows[0]["data_consistency"] == "false"
    assert rows[0]["dc_nrmse_b3000"] == "0.5" and rows[1]["dc_nrmse_b3000"] == "n/a"
    assert rows[1]["wm_fa_median_sr"] == "n/a" and rows[0]["wm_fa_median_sr"] == "0.44"
    assert rows[1]["extra"] == "a b c" and rows[0]["extra"] == "n/a"
    assert None not in rows[0] and None not in rows[1]
    columns = list(rows[0])
    assert columns.index("dc_nrmse_b1000") < columns.index("dc_nrmse_b3000")


def test_group_page_links_runs_and_tells_who_is_missing(put_record, tmp_path):
    out = tmp_path / "out"
    put_record("sub-01_res-x2")
    put_record("sub-02_res-x2", run="sub-02")
    write_participant_page(out, "01")
    (out / "sub-04").mkdir()
    (out / "logs").mkdir()
    content = {"run": "sub-03", "message": "no bvec"}
    (out / "logs" / "sub-03_error.json").write_text(json.dumps(content))
    page = Page(write_group(out)[1])
    links = [a["href"] for a in page.all("a") if a.get("href", "").startswith("sub-")]
    assert set(links) == {"sub-01.html#sub-01_res-x2"}  # the other page is not written yet
    for text in ("2 runs of 2 participants", "1 failed", "no bvec", "sub-04"):
        assert text in page.text
    rows = [a for a in page.all("tr") if "data-run" in a]
    assert len(rows) == 2
    circles = [c["data-run"] for c in page.all("circle")]
    assert circles.count("sub-01_res-x2") == circles.count("sub-02_res-x2") > 5


def test_group_of_nothing_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="participant level first"):
        write_group(tmp_path)


def test_group_of_failures_alone(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "sub-03_error.json").write_text('{"message": "no bvec"}')
    table, page = write_group(tmp_path)
    assert table.read_text() == "bids_name\n"
    assert "no bvec" in Page(page).text


def test_points_stand_at_their_values(record):
    records = {f"sub-{i}": record(v1_angle_median_deg=float(i)) for i in range(1, 9)}
    records["sub-x"] = record(v1_angle_median_deg=None)
    plot = next(p for p in plots(records) if p.title == "Turn of the main direction")
    points = {point.run: point for point in plot.strips[0].points}
    assert set(points) == set(records) - {"sub-x"}
    heights = [points[f"sub-{i}"].y for i in range(1, 9)]
    steps = {round(a - b, 1) for a, b in pairwise(heights)}
    assert len(steps) <= 2 and min(steps) > 0  # evenly upwards, up to rounding
    box = plot.strips[0].box
    assert box.high < box.middle < box.low
    assert "median 4.5, from 1 to 8" in plot.summary


def test_pairs_are_joined_within_a_run(record):
    plot = next(
        p
        for p in plots({"a": record(), "b": record(wm_fa_median_sr=None)})
        if p.title == "FA in white matter"
    )
    assert [(one.run, other.run) for one, other in plot.lines] == [("a", "a")]
    assert all(strip.box is None for strip in plot.strips)  # too few for quartiles


def test_residuals_of_all_shells_are_summed_up(record):
    values = record(dc_nrmse_b300=0.01, dc_nrmse_b928=None)
    assert largest_residuals(values) == {"b0": 0.002, "above": 0.01}
    plot = next(p for p in plots({"a": values}) if p.title == "Residual to the measurement")
    assert [strip.points[0].text for strip in plot.strips] == ["0.2 %", "1 %"]


def test_printed_ticks_are_the_true_ones(record):
    values = {f"{i}": record(v1_angle_median_deg=i * 0.012) for i in range(9)}
    plot = next(p for p in plots(values) if p.title == "Turn of the main direction")
    texts = [float(tick.text) for tick in plot.ticks]
    assert len({round(b - a, 9) for a, b in pairwise(texts)}) == 1


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (1e-7, 2e-7), (5, 5), (0, 0), (9, 1e6)])
def test_ticks_enclose_the_values(low, high):
    marks = nice_ticks(low, high)
    assert marks[0] <= low and marks[-1] >= high
    assert 3 <= len(marks) <= 7
