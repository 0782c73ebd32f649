from __future__ import annotations

import pickle
from pathlib import Path

import attrs
import nibabel as nib
import numpy as np
import pytest
from attrs import evolve

from bids_sr.bids.dwi_run import DwiFiles, Problem
from bids_sr.bids.names import parse_entities
from bids_sr.errors import InputError
from bids_sr.images.runs import open_run


@pytest.fixture
def files(tmp_path: Path) -> DwiFiles:
    image = tmp_path / "sub-01_acq-AP_dwi.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6, 3), np.int16), np.eye(4)), image)
    bval, bvec = image.with_name("a.bval"), image.with_name("a.bvec")
    bval.write_text("0 1000 1000")
    bvec.write_text("0 1 0\n0 0 1\n0 0 0")
    entities = parse_entities(image.name)
    return DwiFiles(image, bval, bvec, None, {}, entities, tmp_path)


def test_good_run(files: DwiFiles) -> None:
    run = open_run(files)
    assert run.shape == (4, 5, 6, 3)
    assert run.gradients.n_volumes == 3
    assert (files.label, files.subject, files.session) == ("sub-01_acq-AP", "01", None)
    assert pickle.loads(pickle.dumps(run)) == run


@pytest.mark.parametrize("which", ["bval", "bvec"])
def test_missing_gradients_say_what_was_looked_for(files: DwiFiles, which: str) -> None:
    with pytest.raises(InputError, match=rf"sub-01_acq-AP_dwi\.{which}"):
        open_run(attrs.evolve(files, **{which: None}))


def test_volume_count(files: DwiFiles) -> None:
    assert files.bval is not None
    files.bval.write_text("0 1000")
    with pytest.raises(InputError, match="image has 3 volumes"):
        open_run(files)


def test_3d_image(files: DwiFiles) -> None:
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.int16), np.eye(4)), files.dwi)
    with pytest.raises(InputError, match="3D image of 4x5x6"):
        open_run(files)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x1f\x8b\x08\x00broken"])
def test_unreadable_image(files: DwiFiles, content: bytes) -> None:
    files.dwi.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as an image"):
        open_run(files)


def test_other_format(files: DwiFiles) -> None:
    other = files.dwi.with_name("sub-01_dwi.mgz")
    nib.save(nib.MGHImage(np.ones((4, 5, 6, 3), np.float32), np.eye(4)), other)
    with pytest.raises(InputError, match="not NIfTI"):
        open_run(attrs.evolve(files, dwi=other))


def test_missing_image_and_annexed_image(files: DwiFiles) -> None:
    files.dwi.unlink()
    with pytest.raises(InputError, match="does not exist"):
        open_run(files)
    files.dwi.symlink_to(files.dwi.parent / "annex" / "key")
    with pytest.raises(InputError, match="datalad get"):
        open_run(files)


def test_broken_sidecar_concerns_this_run(files: DwiFiles) -> None:
    broken = attrs.evolve(files, problem=Problem(Path("x.json"), "is not JSON.", "Repair it."))
    with pytest.raises(InputError, match=r"x\.json: is not JSON"):
        open_run(broken)


def test_a_run_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    files = DwiFiles(tmp_path / "data.nii.gz", None, None, None, {}, {"sub": "1"}, tmp_path)
    assert files.label == "data"
    assert evolve(files, name="sub-1").label == "sub-1"
