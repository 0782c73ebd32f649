"""What the input, a filter or a name says never leads out of the folders that were given."""

from __future__ import annotations

import json
import os
import stat

import pytest

from bids_sr.bids.input_dataset import open_dataset
from bids_sr.errors import UsageError

OUTSIDE = ["../x", "a/b", "/x", "..", ".", "", "a\\b", "a:b", "a b", 'a"b', "x\n", "a%2fb"]


def tree(folder):
    """All that lies in a folder, with size and time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        found[path.relative_to(folder).as_posix()] = (state.st_size, state.st_mtime_ns)
    return found


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_of_derivatives_are_plain(make_dataset, name):
    with pytest.raises(UsageError, match="name"):
        open_dataset(make_dataset(), name)


@pytest.mark.parametrize("name", ["qsiprep", "QSIPrep-1.0.2", "my_pipeline", "v2"])
def test_plain_names_are_taken(make_dataset, name):
    assert open_dataset(make_dataset(), name).name == name


def test_a_derivative_cannot_put_its_index_elsewhere(process, make_dataset, tmp_path):
    dataset, index = make_dataset(), tmp_path / "a" / "index"
    outcome = process(
        dataset, tmp_path / "out", "-d", f"../../away={dataset}", "--bids-database-dir", index
    )
    assert outcome.status == 2 and "../../away" in outcome.told
    assert not list(tmp_path.glob("away*")) and not list(tmp_path.glob("a/away*"))


@pytest.mark.parametrize(
    "query",
    [
        {"acquisition": "../../x"},
        {"subject": "../../../etc"},
        {"suffix": "../T1w"},
        {"extension": "/../../.nii.gz"},
        {"path": "/etc/passwd"},
        {"regex_search": True, "acquisition": ".*"},
        {"scope": "../.."},
        {"target": "../x"},
        {"return_type": "../x"},
    ],
)
def test_a_filter_only_chooses_among_what_is_there(process, make_dataset, tmp_path, query):
    dataset = make_dataset()
    before = tree(dataset)
    filters = tmp_path / "filter.json"
    filters.write_text(json.dumps({"dwi": query}))
    outcome = process(dataset, tmp_path / "out", "--bids-filter-file", filters)
    assert outcome.status == 2, outcome.told
    assert len(outcome.told.splitlines()) == 1 and "Traceback" not in outcome.told
    assert not list((tmp_path / "out").rglob("*.nii.gz"))
    assert tree(dataset) == before


@pytest.fixture(scope="module")
def done(process, writers, tmp_path_factory):
    """A run on files that are links, with a new work folder, for anybody's files by default."""
    top = tmp_path_factory.mktemp("done")
    dataset, annex = writers.write_dataset(top / "raw"), top / "annex"
    annex.mkdir()
    for number, path in enumerate(sorted(dataset.rglob("sub-01_dwi.*"))):
        path.rename(annex / str(number))
        path.symlink_to(annex / str(number))
    before = tree(dataset), tree(annex)
    mask = os.umask(0)
    try:
        outcome = process(dataset, top / "out", "--self-check", "off", "-w", top / "new" / "work")
    finally:
        os.umask(mask)
    assert outcome.status == 0, outcome.told
    return top, before


def test_input_is_left_as_it_is_and_may_be_links(done):
    top, before = done
    assert (tree(top / "raw"), tree(top / "annex")) == before


def test_a_work_folder_that_is_made_is_private(done):
    # nipype keeps pickles in it
    assert stat.S_IMODE((done[0] / "new" / "work").stat().st_mode) == 0o700


def test_nothing_appears_beside_the_folders_that_were_given(done):
    assert {path.name for path in done[0].iterdir()} == {"raw", "annex", "out", "new"}


def test_links_in_the_output_are_replaced_not_written_through(process, done):
    top, _ = done
    out, outside = top / "out", top / "outside"
    outside.mkdir()
    names = ("sub-01.html", "*_desc-sr_dwi.nii.gz", "*_desc-sr_dwi.json", "*_desc-sr_quality.json")
    linked = [next(out.rglob(name)) for name in names]
    for path in linked:
        target = outside / path.name
        target.write_text("not ours")
        path.unlink()
        path.symlink_to(target)
    assert process(top / "raw", out, "--self-check", "off").status == 0
    assert {path.read_text() for path in outside.iterdir()} == {"not ours"}
    assert not any(path.is_symlink() for path in linked)
