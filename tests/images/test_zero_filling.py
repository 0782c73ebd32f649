"""Runs at their acquired matrix: what is kept of them, what is refused."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from bids_sr.bids.dwi_run import DwiFiles, DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.errors import InputError
from bids_sr.images.matrix_resampling import zero_fill
from bids_sr.images.nifti import DwiReader
from bids_sr.images.zero_filling import expect, to_acquired


@pytest.fixture
def make_run(example, zero_filled, write_nifti):
    """A function that stores three volumes of the example with so many pixels."""

    def make(sides, sidecar=None, edit=None):
        slices = zero_filled.complex_slices(example[:3, ::3], snr=25)
        fine = np.abs(zero_fill(slices, sides)).astype(np.float32)
        data = np.moveaxis(fine, (0, 1), (3, 2))
        if edit is not None:
            edit(data)
        path = write_nifti(data)
        gradients = GradientTable([0, 1000, 1000], np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]]))
        files = DwiFiles(path, None, None, None, sidecar or {}, {"sub": "01"}, path.parent)
        return DwiRun(files, gradients, data.shape)

    return make


def test_a_zero_filled_run_is_brought_to_its_matrix(make_run, tmp_path):
    run = make_run((256, 256))
    found = to_acquired(run, tmp_path / "acquired.nii")
    assert found.shape == (128, 128, 7, 3)
    assert (found.stored.shape, found.stored.path) == ((256, 256, 7), run.files.dwi)
    assert (found.files.label, found.files.sidecar) == (run.files.label, run.files.sidecar)
    assert "128x128" in found.stored.note
    assert to_acquired(found, tmp_path / "again.nii") is found
    assert not (tmp_path / "again.nii").exists()
    looked = expect(run)
    assert (looked.shape, looked.stored, looked.files) == (found.shape, found.stored, run.files)


def test_one_stored_as_acquired_stays_as_it_is(make_run, tmp_path):
    run = make_run((128, 128))
    assert to_acquired(run, tmp_path / "acquired.nii") is run
    assert expect(run) is run
    assert not (tmp_path / "acquired.nii").exists()


def test_what_the_user_knows_is_taken(make_run, tmp_path):
    run = make_run((128, 128))
    found = to_acquired(run, tmp_path / "acquired.nii", given=(96, 100))
    assert found.shape == (96, 100, 7, 3)
    assert "--input-matrix" in found.stored.note
    assert expect(run, given=(96, 100)).shape == found.shape
    assert to_acquired(run, tmp_path / "none.nii", given=(128, 128)) is run


@pytest.mark.parametrize("given", [(129, 96), (96, 12)])
@pytest.mark.parametrize("function", [expect, lambda run, **how: to_acquired(run, None, **how)])
def test_a_matrix_that_does_not_fit_is_refused(make_run, given, function):
    with pytest.raises(InputError, match="is stored with 128x128 pixels in plane") as caught:
        function(make_run((128, 128)), given=given)
    assert "axes i and j" in str(caught.value)


def test_the_slice_axis_is_told_by_the_stored_voxels(make_run, tmp_path):
    run = make_run((256, 256))  # 2 x 2 x 2.5 mm as written; 4 x 4 x 2.5 mm as acquired
    found = to_acquired(run, tmp_path / "acquired.nii")
    with DwiReader(found.files.dwi) as reader:
        assert reader.zooms == pytest.approx((4, 4, 2.5))
    assert found.stored.slice_axis == 2
    assert found.stored.zooms == pytest.approx((2, 2, 2.5))


def spoil(data):
    data[3, 3, 3, 1] = np.nan


def test_voxels_without_a_value_are_remembered_or_refused(make_run, tmp_path):
    run = make_run((256, 256), edit=spoil)
    assert to_acquired(run, tmp_path / "acquired.nii").stored.nonfinite == {1: 1}
    with pytest.raises(InputError, match="NaN or infinite in 1 voxels"):
        to_acquired(run, tmp_path / "whole.nii", whole=True)
    assert not (tmp_path / "whole.nii").exists()


def test_a_copy_that_is_there_is_taken(make_run, tmp_path):
    run = make_run((256, 256))
    before = to_acquired(run, tmp_path / "acquired.nii").files.dwi.stat().st_mtime_ns
    again = to_acquired(run, tmp_path / "acquired.nii", keep=True)
    assert again.files.dwi.stat().st_mtime_ns == before
    assert attrs.asdict(again)["shape"] == (128, 128, 7, 3)
