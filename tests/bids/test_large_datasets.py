"""One participant of many costs what one participant costs: others are not looked at."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager

import pytest

from bids_sr.bids.finding import find_dwi

PEOPLE = [f"{number:02d}" for number in range(1, 13)]
KINDS = {"anat": "T1w.nii.gz", "func": "task-rest_bold.nii.gz", "fmap": "epi.nii.gz"}

_LISTED = []
_ON = []


def _hook(event, arguments):
    if _ON and event in ("os.scandir", "os.listdir"):
        _LISTED.append(str(arguments[0]))


sys.addaudithook(_hook)  # sees every listing, whichever library makes it


@contextmanager
def listings():
    """Collect the folders that are listed."""
    _LISTED.clear()
    _ON.append(True)
    try:
        yield _LISTED
    finally:
        _ON.clear()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Participants with other data types, one with sessions, derivatives and sourcedata beside."""
    root = tmp_path_factory.mktemp("many") / "ds"
    for label in PEOPLE:
        session = root / f"sub-{label}" / ("ses-a" if label == "03" else "")
        for folder in (*KINDS, "dwi"):
            (session / folder).mkdir(parents=True)
            stem = f"sub-{label}" + ("_ses-a" if label == "03" else "")
            name = KINDS.get(folder, "dwi.nii.gz")
            (session / folder / f"{stem}_{name}").touch()
        for extra in ("derivatives/fmriprep", "sourcedata"):
            (root / extra / f"sub-{label}" / "dwi").mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.9"}))
    return root


def entered(folders):
    """Labels of the participants whose folders were listed."""
    parts = [part for folder in folders for part in folder.split("/")]
    return {part.removeprefix("sub-") for part in parts if part.startswith("sub-")}


@pytest.mark.parametrize("label", ["02", "03"])
def test_other_participants_are_not_entered(many, label):
    with listings() as folders:
        (run,) = find_dwi(many, participants=[label])
    assert run.subject == label
    assert entered(folders) == {label}


def test_nor_with_a_database(many, tmp_path):
    everybody = find_dwi(many, database_dir=tmp_path / "db")
    assert len(everybody) == len(PEOPLE)
    with listings() as folders:
        found = find_dwi(many, participants=["02", "03"], database_dir=tmp_path / "db")
    assert found == [run for run in everybody if run.subject in ("02", "03")]
    assert entered(folders) == {"02", "03"}, "only to see whether the index knows their folders"


def test_other_data_is_not_entered(many):
    with listings() as folders:
        assert len(find_dwi(many)) == len(PEOPLE)
    assert any(folder.endswith("/dwi") for folder in folders)
    other = (*KINDS, "derivatives", "sourcedata")
    assert not [folder for folder in folders if set(folder.split("/")) & set(other)]


def test_no_image_is_opened(many, monkeypatch):
    import nibabel

    monkeypatch.setattr(nibabel, "load", lambda *_: pytest.fail("an image is opened"))
    assert len(find_dwi(many)) == len(PEOPLE)
