"""What the program did not make is neither removed nor written to, whatever folders are named."""

from __future__ import annotations

import json

import pytest

OPTIONS = ("--self-check", "off", "--ensemble", "1")


def tree(*folders):
    """All that lies in folders, with what is in it."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            found[path] = path.read_bytes() if path.is_file() else None
    return found


@pytest.fixture
def scratch(writers, tmp_path):
    """A folder with a dataset and somebody's notes in it."""
    writers.write_dataset(tmp_path / "scratch/bids", ("01", "02"))
    (tmp_path / "scratch/notes").mkdir()
    (tmp_path / "scratch/notes/a.txt").write_text("theirs")
    return tmp_path / "scratch"


def test_the_folder_above_the_dataset_as_work_folder(process, scratch, tmp_path):
    before = tree(scratch)
    dataset, out = scratch / "bids", tmp_path / "out"
    outcome = process(dataset, out, "-w", scratch, "--clean-workdir")
    assert outcome.status == 2 and not out.exists()
    (line,) = outcome.told.splitlines()
    assert f"{scratch}: is or holds the input dataset ({dataset})" in line
    assert tree(scratch) == before
    # nothing is deleted without --clean-workdir: all of ours is in a folder of its own
    outcome = process(dataset, out, *OPTIONS, "-w", scratch, "--participant-label", "01")
    assert outcome.status == 0, outcome.told
    kept = tree(scratch)
    assert {path.relative_to(scratch).parts[0] for path in kept.keys() - before.keys()} == {
        "bids_sr_work"
    }
    assert before.items() <= kept.items()


def test_a_work_folder_with_files_of_others(process, scratch, tmp_path):
    work = tmp_path / "work"
    (work / "bids_sr").mkdir(parents=True)
    (work / "bids_sr/theirs.txt").write_text("theirs")
    (work / "crashes").symlink_to(scratch)
    before = tree(work, scratch)
    options = (*OPTIONS, "--participant-label", "01", "-w", work)
    for more in ((), ("--clean-workdir",)):
        outcome = process(scratch / "bids", tmp_path / "out", *options, *more)
        assert outcome.status == 0, outcome.told
        assert before.items() <= tree(work, scratch).items()


@pytest.mark.parametrize("how", ["participant", "group", "--reports-only", "--boilerplate-only"])
def test_an_output_folder_of_another_program(process, call_here, scratch, tmp_path, how):
    out = tmp_path / "qsiprep"
    (out / "sub-01/figures").mkdir(parents=True)
    (out / "sub-01.html").write_text("<html>QSIPrep</html>")
    content = {"Name": "x", "DatasetType": "derivative", "GeneratedBy": [{"Name": "QSIPrep"}]}
    (out / "dataset_description.json").write_text(json.dumps(content))
    before = tree(out)
    if how == "group":
        outcome = call_here(scratch / "bids", out, "group")
    else:
        outcome = process(scratch / "bids", out, *([how] if how.startswith("-") else []))
    assert outcome.status == 2
    (line,) = outcome.told.splitlines()
    assert f"{out}: belongs to QSIPrep" in line and f"{out}/bids_sr" in line
    assert tree(out) == before


def test_a_page_that_appears_while_we_work(process, scratch, tmp_path, monkeypatch):
    """It stays, the run is done, and that its page is missing is told."""
    from bids_sr.workflow import participant_pages

    out, write = tmp_path / "out", participant_pages.PageWriter.write

    def late(self, subject):
        (out / f"sub-{subject}.html").write_text("theirs")
        write(self, subject)

    monkeypatch.setattr(participant_pages.PageWriter, "write", late)
    outcome = process(scratch / "bids", out, *OPTIONS, "--participant-label", "01")
    assert outcome.status == 1
    assert outcome.lines("sub-01: the page cannot be written", "was not written by bids_sr")
    assert (out / "sub-01.html").read_text() == "theirs"
    assert list(out.glob("sub-01/dwi/*_quality.json"))


def test_labels_given_in_parts_are_all_processed(process, scratch, tmp_path):
    labels = ("--participant-label", "01", "--participant_label", "02", "--participant-label", "01")
    outcome = process(scratch / "bids", tmp_path / "out", *OPTIONS, *labels)
    assert outcome.status == 0 and outcome.lines("2 of 2 runs done (2 now"), outcome.told
    assert {path.name for path in outcome.out.glob("*.html")} == {"sub-01.html", "sub-02.html"}


def test_outputs_of_an_older_version(process, scratch, tmp_path):
    """Maps with ``res`` before ``model``: the call ends before anything is written."""
    out = tmp_path / "out"
    content = {"Name": "x", "DatasetType": "derivative", "GeneratedBy": [{"Name": "bids_sr"}]}
    folder = out / "sub-01/dwi"
    folder.mkdir(parents=True)
    (out / "dataset_description.json").write_text(json.dumps(content))
    older = "sub-01_res-x2_model-tensor_param-fa_dwimap.nii.gz"
    (folder / older).write_text("older")
    before = tree(tmp_path)
    for options in ((), ("--participant-label", "02"), ("--dry-run",)):
        outcome = process(scratch / "bids", out, *OPTIONS, *options)
        assert outcome.status == 2
        (line,) = outcome.told.splitlines()
        assert f"{out}: holds diffusion maps of an older version" in line and older in line
        assert tree(tmp_path) == before
