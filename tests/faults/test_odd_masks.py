"""Brain masks of preprocessed data that are no plain masks, or lie elsewhere."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest


def put(inside, outside, shift=0, dtype=np.float32):
    """Write a mask with these values, so many voxels away along x."""

    def write(path, box, affine):
        moved = affine.copy()
        moved[:3, 3] += shift * affine[:3, 0]
        values = np.where(box, inside, outside).astype(dtype)
        nib.Nifti1Image(values, moved).to_filename(path)

    return write


def pointer(path, box, affine):
    path.write_bytes(b"/annex/objects/MD5E-s4711--0123456789abcdef.nii.gz\n")


TOLD = {
    "probability": (put(0.99, 0.01), "those from 0.5 on count as brain."),
    "labels": (put(np.arange(1, 23)[:, None], 0), "holds labels up to 18; all but 0 count"),
    "outside": (put(1, 0, -12), "% of the brain mask sub-outside_desc-brain_mask.nii.gz lies"),
    "whole": (put(1, 1), "covers 100% of the image, air included"),
    "nan": (put(1, np.nan), "are NaN or infinite; they count as outside."),
}
REFUSED = {
    "empty": (put(0.3, 0.01), "has no voxel that counts as brain (values from 0.01 to 0.3)."),
    "image": (put(700.5, 3.2), "which are neither a mask's (0 and 1) nor probabilities."),
    "away": (put(1, 0, 500), "has no voxel inside the image"),
    "annex": (pointer, "is a git-annex pointer: its content is not here. Get it: datalad get"),
}
SILENT = {"plain": put(1, 0), "byte": put(255, 0, dtype=np.uint8)}


@pytest.fixture(scope="module")
def outcome(process, writers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks")
    makers = {**{k: v[0] for k, v in (TOLD | REFUSED).items()}, **SILENT}
    dataset = writers.write_dataset(folder / "pre", tuple(makers))
    description = json.loads((dataset / "dataset_description.json").read_text())
    description |= {"DatasetType": "derivative", "GeneratedBy": [{"Name": "QSIPrep"}]}
    (dataset / "dataset_description.json").write_text(json.dumps(description))
    for label, make in makers.items():
        place = dataset / f"sub-{label}" / "dwi"
        for path in list(place.iterdir()):
            path.rename(path.with_name(path.name.replace("_dwi", "_desc-preproc_dwi")))
        image = nib.load(next(place.glob("*.nii.gz")))
        box = np.zeros(image.shape[:3], bool)
        box[4:-4, 4:-4] = True
        make(place / f"sub-{label}_desc-brain_mask.nii.gz", box, image.affine)
    return process(dataset, folder / "out", "--self-check", "off", "--ensemble", "1")


def test_status(outcome):
    assert outcome.status == 1
    assert outcome.lines(f"{len(TOLD) + len(SILENT)} of {len(TOLD | REFUSED | SILENT)} runs done")
    assert "Traceback" not in outcome.told


@pytest.mark.parametrize("label", TOLD)
def test_what_is_done_with_a_mask_is_told_and_stands_in_the_report(outcome, label):
    words = TOLD[label][1]
    assert len(outcome.lines("warning", f"sub-{label}/dwi", words)) == 1
    (path,) = outcome.out.glob(f"sub-{label}/dwi/*_quality.json")
    assert words in json.loads(path.read_text())["notes"]
    assert words.replace("'", "&#39;") in (outcome.out / f"sub-{label}.html").read_text()


@pytest.mark.parametrize("label", REFUSED)
def test_a_mask_that_cannot_be_used(outcome, label):
    (line,) = outcome.lines(f"error: sub-{label}_desc-preproc: ")
    assert REFUSED[label][1] in line
    assert f"sub-{label}/dwi/sub-{label}_desc-brain_mask.nii.gz" in line


@pytest.mark.parametrize("label", SILENT)
def test_nothing_is_told_of_a_plain_one(outcome, label):
    assert not outcome.lines("warning", f"sub-{label}/dwi")


@pytest.mark.parametrize("label", ["probability", "byte", "plain"])
def test_the_brain_is_where_the_mask_says(outcome, label):
    (path,) = outcome.out.glob(f"sub-{label}/dwi/*_desc-brain_mask.nii.gz")
    mask = np.asanyarray(nib.load(path).dataobj) > 0
    expected = np.zeros(mask.shape, bool)
    expected[8:-8, 8:-8] = True
    assert np.array_equal(mask, expected)
