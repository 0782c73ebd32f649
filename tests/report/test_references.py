"""Citations: each work as text and as BibTeX, the files beside the pictures."""

from __future__ import annotations

import re

import pytest

from bids_sr.report.methods import describe
from bids_sr.report.methods_files import write_methods
from bids_sr.report.references import WORKS


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_entries_are_whole(work):
    entry = work.bibtex
    assert entry.startswith(f"@{work.kind}{{{work.key},\n") and entry.endswith("\n}")
    assert entry.count("{") == entry.count("}")
    assert "title = {{" in entry and "author = {" in entry
    assert ".." not in work.text and " :" not in work.text and not work.text.endswith(" ")
    if work.doi:
        assert re.fullmatch(r"10\.\d{4,}/\S+", work.doi)
        assert f"doi = {{{work.doi}}}" in entry and f"doi:{work.doi}" in work.text


def test_a_groups_name_stays_whole():
    assert "author = {{The bids_sr developers}}" in WORKS["bids_sr"].bibtex
    assert "author = {Lohr, D and Werner, R}" in WORKS["method"].bibtex


def test_keys_are_distinct():
    assert len({work.key for work in WORKS.values()}) == len(WORKS)


def test_only_what_was_measured_is_cited(record):
    keys = {work.key for work in describe([record()]).works}
    assert not {"Veraart2016", "Koay2009", "Yeh2019"} & keys
    more = record(sigma_mppca=3.0, sigma_piesno=None, ndc_sr=0.9)
    methods = describe([more])
    assert {"Veraart2016", "Yeh2019"} <= {work.key for work in methods.works}
    text = methods.markdown()
    assert "MP-PCA (Veraart" in text and "Koay" not in text


def test_three_files(record, tmp_path, hostile):
    methods = describe([record(model=hostile)])
    files = dict(write_methods(tmp_path / "sub-01_desc-methods", methods))
    assert {path.suffix for path in files.values()} == {".md", ".html", ".bib"}
    assert files["BibTeX"].read_text().count("\n@") + 1 == len(methods.works)
    page = files["HTML"].read_text()
    assert "<script>window" not in page and "arXiv:2605.15895" in page


@pytest.mark.parametrize("consistent", [True, False])
def test_what_became_of_the_sign_is_told(record, consistent):
    magnitude = record(data_consistency=consistent)
    signed = record(data_consistency=consistent, signed=True)
    assert "negative values were set to zero." in describe([magnitude]).markdown()
    both = describe([magnitude, signed]).markdown()
    assert "set to zero, except where the input was signed." in both
    alone = describe([signed]).markdown()
    assert "kept its sign" in alone and "set to zero" not in alone
