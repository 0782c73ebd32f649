"""Input of other kinds: few directions, preprocessed, several at once."""

from __future__ import annotations

import json
import subprocess

import nibabel as nib
import numpy as np
import pytest


def quality(out, label):
    (path,) = out.glob(f"sub-{label}/dwi/*_quality.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize(("directions", "words"), [(0, "only b0 volumes"), (4, "4 distinct")])
def test_too_few_directions_for_a_tensor(process, writers, tmp_path, directions, words):
    dataset = writers.write_dataset(tmp_path / "raw", ("01",), directions=directions)
    outcome = process(dataset, tmp_path / "out")
    assert outcome.status == 0, outcome.told
    assert words in quality(outcome.out, "01")["dti_skipped_reason"]
    assert not list(outcome.out.rglob("*_dwimap.*"))
    assert list(outcome.out.rglob("*_desc-sr_dwi.nii.gz"))
    assert words in (outcome.out / "sub-01.html").read_text()
    assert process(dataset, tmp_path / "out").lines("complete already")


@pytest.fixture
def preprocessed(writers, tmp_path):
    """A derivative dataset as QSIPrep writes it, with a mask of part of the image."""
    root = writers.write_dataset(tmp_path / "qsiprep", ("01",))
    description = {"Name": "x", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    description["GeneratedBy"] = [{"Name": "qsiprep", "Version": "1.0"}]
    (root / "dataset_description.json").write_text(json.dumps(description))
    stem = "sub-01_space-ACPC_desc-preproc_dwi"
    for path in list((root / "sub-01/dwi").iterdir()):
        path.rename(path.with_name(path.name.replace("sub-01_dwi", stem)))
    image = nib.load(root / f"sub-01/dwi/{stem}.nii.gz")
    inside = np.zeros(image.shape[:3], np.uint8)
    inside[6:18, 5:17] = 1
    mask = root / "sub-01/dwi/sub-01_space-ACPC_desc-brain_mask.nii.gz"
    nib.Nifti1Image(inside, image.affine).to_filename(mask)
    return root


def test_preprocessed_input_and_its_mask(process, preprocessed, tmp_path):
    outcome = process(preprocessed, tmp_path / "out")
    assert outcome.status == 0, outcome.told
    stem = outcome.out / "sub-01/dwi/sub-01_space-ACPC_res-x2"
    assert (stem.parent / f"{stem.name}_desc-sr_dwi.nii.gz").is_file()
    mask = nib.load(stem.parent / f"{stem.name}_desc-brain_mask.nii.gz")
    assert int(np.asanyarray(mask.dataobj).sum()) == 12 * 12 * 4 * 4


def test_derivatives_by_name(process, writers, preprocessed, tmp_path):
    raw = writers.write_dataset(tmp_path / "raw", ("01",))
    outcome = process(raw, tmp_path / "out", "-d", f"mine={preprocessed}")
    assert outcome.status == 0, outcome.told
    assert not list(outcome.out.rglob("sub-01_res-x2_desc-sr_dwi.nii.gz"))
    (sidecar,) = outcome.out.rglob("*_desc-sr_dwi.json")
    assert json.loads(sidecar.read_text())["Sources"][0].startswith("bids:mine:sub-01")


def test_two_calls_side_by_side(command, writers, tmp_path):
    dataset = writers.write_dataset(tmp_path / "raw", ("01", "02"))
    shared = (tmp_path / "out", "-w", tmp_path / "work")
    commands = [command(dataset, *shared, "--participant-label", label) for label in ("01", "02")]
    calls = [subprocess.Popen(each, stderr=subprocess.PIPE, text=True) for each in commands]
    told = [call.communicate()[1] for call in calls]
    assert [call.returncode for call in calls] == [0, 0], told
    for label in ("01", "02"):
        assert quality(tmp_path / "out", label)["run"] == f"sub-{label}"
        assert (tmp_path / f"out/sub-{label}.html").is_file()
    description = json.loads((tmp_path / "out/dataset_description.json").read_text())
    assert len(description["SourceDatasets"]) == 1
    assert len(list((tmp_path / "out/logs").iterdir())) == 2
