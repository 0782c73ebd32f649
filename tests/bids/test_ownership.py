"""Whose an output folder is, and whose a page."""

from __future__ import annotations

import json

import pytest

from bids_sr.bids.output_dataset import write_dataset_files
from bids_sr.bids.ownership import check_owner, entries, is_our_page, makers
from bids_sr.errors import UsageError
from bids_sr.report.pages import write_page


def description(out):
    return json.loads((out / "dataset_description.json").read_text())


def describe(out, **content):
    out.mkdir(exist_ok=True)
    content = {"Name": "x", "DatasetType": "derivative", **content}
    (out / "dataset_description.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ([{"Name": "A"}, {"Name": "B"}, {"Name": "A"}], ["A", "B"]),
        ({"Name": "A"}, ["A"]),
        ("A", ["A"]),
        (["A", 3, None, {}, {"Name": 3}, {"Name": " "}], ["A"]),
        (None, []),
        (3, []),
    ],
)
def test_makers_however_they_are_written(said, names):
    assert makers({"GeneratedBy": said}) == names
    assert entries({}) == []


@pytest.mark.parametrize("name", ["bids_sr", "BIDS-SR", "bids-sr"])
def test_we_are_known_in_any_spelling(tmp_path, name):
    describe(tmp_path, GeneratedBy=[{"Name": "QSIPrep"}, {"Name": name}])
    assert check_owner(tmp_path) == ["QSIPrep"]


def test_others_keep_their_places(tmp_path):
    others = [{"Name": "QSIPrep", "Version": "1"}, "fMRIPrep", 3]
    describe(tmp_path, GeneratedBy=[others[0], {"Name": "bids_sr", "Version": "0"}, *others[1:]])
    write_dataset_files(tmp_path, sources={})
    found = description(tmp_path)["GeneratedBy"]
    assert [found[0], *found[2:]] == others
    assert found[1]["Name"] == "bids_sr" and found[1]["Version"] != "0"


def test_odd_links_and_sources_are_no_hindrance(tmp_path):
    odd = {"DatasetLinks": ["x"], "SourceDatasets": [{"URL": ["x"]}, {"DOI": "y"}, "z"]}
    describe(tmp_path, GeneratedBy=[{"Name": "bids_sr"}], **odd)
    write_dataset_files(tmp_path, sources={"raw": tmp_path / "raw"})
    found = description(tmp_path)
    assert found["SourceDatasets"][:3] == odd["SourceDatasets"]
    assert list(found["DatasetLinks"]) == ["raw"]


def test_the_description_is_looked_at_again_when_it_is_written(tmp_path):
    describe(tmp_path, GeneratedBy=[{"Name": "QSIPrep"}])
    before = description(tmp_path)
    with pytest.raises(UsageError, match="belongs to QSIPrep"):
        write_dataset_files(tmp_path, sources={})
    assert description(tmp_path) == before


def test_a_gitignore_of_ours_and_one_of_others(tmp_path):
    write_dataset_files(tmp_path / "new", sources={})
    lines = (tmp_path / "new/.gitignore").read_text().splitlines()
    assert {".tmp-bids_sr-*", ".bids_sr-*.lock"} <= set(lines)
    (tmp_path / "old").mkdir()
    (tmp_path / "old/.gitignore").write_text("mine\n")
    write_dataset_files(tmp_path / "old", sources={})
    assert (tmp_path / "old/.gitignore").read_text() == "mine\n"


def test_what_git_annex_has_dropped_is_not_written_anew(tmp_path):
    for name in (".bidsignore", "descriptions.tsv", "README", ".gitignore"):
        (tmp_path / name).symlink_to("nowhere")
    write_dataset_files(tmp_path, sources={})
    assert all((tmp_path / n).is_symlink() for n in (".bidsignore", "descriptions.tsv", "README"))


def page(path):
    return write_page(path, "methods.html", styles=(), scripts=(), methods=Nothing, notice="")


class Nothing:
    paragraphs = references = ()


def test_our_page_is_known_however_it_was_cut(tmp_path):
    whole = page(tmp_path / "a.html").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "b.html").write_bytes(whole[:length])
        assert is_our_page(tmp_path / "b.html"), length
        if length < 300:
            page(tmp_path / "b.html")


@pytest.mark.parametrize(
    "content", ["theirs", "<!doctype html><html>", "\n<!doctype html>\n", "\0"]
)
def test_a_page_of_another_program_is_not_overwritten(tmp_path, content):
    path = tmp_path / "a.html"
    path.write_text(content)
    with pytest.raises(UsageError, match="was not written by bids_sr"):
        page(path)
    assert path.read_text() == content


@pytest.mark.parametrize("name", ["niivue-0.69.0.umd.js", "niivue.umd.js", "other.js"])
def test_the_viewer_of_all_pages_is_ours(tmp_path, name):
    """Where the description was lost."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / name).write_text("x")
    if name == "other.js":
        with pytest.raises(UsageError, match=r"other\.js"):
            check_owner(tmp_path)
    else:
        assert check_owner(tmp_path) == []
