"""A new metric is a function and an entry: pages, table, dictionary and lights follow."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.grid import SliceGrid
from bids_sr.quality import registry
from bids_sr.quality.closeup import CloseUp
from bids_sr.quality.metric_spec import Limits, MetricSpec, Per
from bids_sr.quality.series_context import VolumePair, make_context
from bids_sr.quality.verdict import UNKNOWN, WARN, quality_lights, summary
from bids_sr.report.group import write_group
from bids_sr.report.participant import write_participant_page

SHAPE = (12, 12, 4)


def contrast(volume, mask):
    """Return the standard deviation of the brain over its mean: the function of a new metric."""
    return float(volume[mask].std() / volume[mask].mean())


ENTRY = MetricSpec(
    "contrast",
    "Brain contrast",
    "Standard deviation of the brain over its mean.",
    decimals=2,
    family="Made up",
    per=Per.SIDE,
    limits=Limits(warn=0.4),
    of_volume=contrast,
)
PLAIN = MetricSpec("contrast_gain", "Gain of contrast", family="Made up",
                   of_record=lambda r: r["contrast_sr"] - r["contrast_input"]
                   if "contrast_sr" in r else None)  # fmt: skip


@pytest.fixture(autouse=True)
def entry(monkeypatch):
    monkeypatch.setattr(registry, "METRICS", (*registry.METRICS, ENTRY, PLAIN))


@pytest.fixture
def measured():
    """What the record gets of a series in which half of the brain is a third of the other."""
    vectors = np.eye(3)[[0, 1, 2]]
    table = GradientTable(np.array([0.0, 1000, 1000]), vectors)
    grid = SliceGrid(SHAPE, np.eye(4), 2, 2)
    context = make_context(
        table, grid, np.ones(SHAPE, bool), np.ones(grid.high_resolution[0], bool)
    )
    observer = CloseUp(context)
    for index in (1, 2):
        low = np.full((4, 12, 12), 100, np.float32)
        low[:, :6] = 300
        high = np.full((4, 24, 24), 200, np.float32)
        observer.add(VolumePair(index, "b1000", False, low, high))
    return observer.result()[0]


def cells(text):
    return [re.sub(r"\s*<[^>]*>\s*", "", cell) for cell in re.findall(r"<t[dh].*?</t[dh]>", text)]


def test_the_function_is_called_for_input_and_output(measured):
    assert measured["contrast_input"] == pytest.approx(0.5)
    assert measured["contrast_sr"] == 0


def test_pages_table_and_dictionary_have_it(measured, put_record, tmp_path):
    out = tmp_path / "out"
    values = {key: measured[key] for key in ("contrast_input", "contrast_sr")}
    for number in range(3):
        put_record(f"sub-0{number}_res-x2", run=f"sub-0{number}", **values)
    page = write_participant_page(out, "01").read_text()
    assert '<th scope="col">Made up</th>' in page
    row = cells(page[page.index('<th scope="row">Brain contrast') :])
    assert row[0].startswith("Brain contrast") and ENTRY.meaning in row[0]
    assert row[1:4] == ["0.50", "0.00", "-0.50"]
    assert "contrast_input" not in page.split("Further metrics")[1:]

    table, group = write_group(out)
    with table.open() as stream:
        (first, *_) = csv.DictReader(stream, delimiter="\t")
    assert float(first["contrast_input"]) == pytest.approx(0.5) and first["contrast_sr"] == "0.0"
    dictionary = json.loads(table.with_suffix(".json").read_text())
    assert dictionary["contrast_sr"] == {
        "LongName": "Brain contrast, super-resolved",
        "Description": ENTRY.meaning,
    }
    assert "contrast_gain" not in first, "made of others: not stored"
    found = re.search(r'id="data">(.*?)</script>', group.read_text())
    columns = {column["key"]: column for column in json.loads(found[1])["columns"]}
    assert columns["contrast_input"]["label"] == "Brain contrast, input"
    assert columns["contrast_gain"]["same"] == pytest.approx(-0.5)
    text = group.read_text()
    assert "Made up" in text and "Brain contrast. input: median 0.5" in text


def test_its_limit_makes_a_light_and_its_absence_is_told(record):
    bright = record(contrast_input=0.1, contrast_sr=0.5)
    (light,) = [light for light in quality_lights(bright, {}) if light.key == "contrast"]
    assert light.status == WARN and light.text == "Brain contrast: 0.50 (limit: 0.40)."
    assert "Brain contrast: 0.50" in summary(bright, {})["qc_reasons"]
    (missing,) = [light for light in quality_lights(record(), {}) if light.key == "contrast"]
    assert missing.status == UNKNOWN and missing.text == "Brain contrast: not known."
