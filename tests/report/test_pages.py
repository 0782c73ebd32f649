"""Participant and group pages from records; nothing in them is taken for markup."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser

import pytest

from bids_sr.report.group import write_group
from bids_sr.report.pages import _prose
from bids_sr.report.participant import write_participant_page


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
    assert len(images) == 15
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


def test_a_single_value_does_not_stand_below_the_heading_input(output):
    text = " ".join(Page(write_participant_page(output(), "01")).text.split())
    table = text[text.index("White matter Input Super-resolved Change") :]
    assert table.index("FA in white matter") < table.index(" Value ")
    assert table.index(" Value ") < table.index("Shift of the FA distribution")


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
    assert len([script for script in page.all("script") if "type" not in script]) == 1
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
    assert "no results to show" in page.text


def test_numbers_in_sentences_are_set_as_in_print():
    minus, space = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
    assert _prose("FA error -9 %, 0.9 dB") == f"FA error {minus}9{space}%, 0.9{space}dB"
    assert _prose("Volume at b = 0 (sub-01_run-2)") == f"Volume at b{space}={space}0 (sub-01_run-2)"
    assert _prose("--gradient-check fix.").count("code") == 2
