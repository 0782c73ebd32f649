"""The mask of a run on both its grids."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from attrs import evolve

from bids_sr.diffusion.run_masks import load_mask, make_masks, mean_b0
from bids_sr.errors import InputError
from bids_sr.images.grid import SliceGrid
from bids_sr.images.zero_filling import to_acquired


@pytest.fixture
def run(make_run, tmp_path):
    return make_run(tmp_path)


@pytest.fixture
def make(run, tmp_path):
    """Masks of a run at factor 2."""
    affine = nib.load(run.files.dwi).affine
    grid = SliceGrid(run.shape[:3], affine, 2, 2)

    def build(one=run):
        paths = {"input_mask": tmp_path / "in.nii.gz", "output_mask": tmp_path / "out.nii.gz"}
        return make_masks(one, grid, **paths)

    return build


def with_mask(run, tmp_path, values, affine=None):
    path = tmp_path / "mask.nii.gz"
    affine = nib.load(run.files.dwi).affine if affine is None else affine
    nib.Nifti1Image(values.astype(np.uint8), affine).to_filename(path)
    return evolve(run, files=evolve(run.files, mask=path))


def test_found_mask_is_the_same_place_on_both_grids(make, run):
    masks = make()
    small, large = load_mask(masks.input), load_mask(masks.output)
    assert not masks.given and small.any() and not small.all()
    assert small.shape == run.shape[:3] and large.shape == (48, 44, 4)
    assert np.array_equal(large, small.repeat(2, axis=0).repeat(2, axis=1))
    assert nib.load(masks.output).get_data_dtype() == np.uint8


def test_given_mask_is_taken(make, run, tmp_path):
    inside = np.zeros(run.shape[:3])
    inside[3:9, 4:12, 1:3] = 1
    masks = make(with_mask(run, tmp_path, inside))
    assert masks.given
    assert np.array_equal(load_mask(masks.input), inside > 0)
    assert load_mask(masks.output).sum() == 4 * inside.sum()


def test_given_mask_on_a_grid_of_its_own(make, run, tmp_path):
    # voxels of half the size, the same box
    affine = nib.load(run.files.dwi).affine @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] = nib.load(run.files.dwi).affine[:3] @ [-0.25, -0.25, -0.25, 1]
    inside = np.zeros([2 * n for n in run.shape[:3]])
    inside[6:18, 8:24, 2:6] = 1
    masks = make(with_mask(run, tmp_path, inside, affine))
    expected = np.zeros(run.shape[:3], bool)
    expected[3:9, 4:12, 1:3] = True
    assert np.array_equal(load_mask(masks.input), expected)


def test_mask_elsewhere(make, run, tmp_path):
    affine = nib.load(run.files.dwi).affine.copy()
    affine[0, 3] += 1000
    one = with_mask(run, tmp_path, np.ones(run.shape[:3]), affine)
    with pytest.raises(InputError, match=r"mask\.nii\.gz: has no voxel inside"):
        make(one)


def test_mean_b0(run):
    data = nib.load(run.files.dwi).get_fdata()
    assert np.allclose(mean_b0(run), data[..., 0])
    b0s = evolve(run.gradients, bvals=np.where(np.arange(17) < 3, 0.0, 1000.0))
    assert np.allclose(mean_b0(evolve(run, gradients=b0s)), data[..., :3].mean(axis=3), rtol=1e-5)


def test_mean_of_all_volumes_without_b0(run):
    none = evolve(run.gradients, bvals=np.full(17, 1000.0))
    data = nib.load(run.files.dwi).get_fdata()
    assert np.allclose(mean_b0(evolve(run, gradients=none)), data.mean(axis=3), rtol=1e-5)


def test_a_mask_of_the_stored_grid_is_carried_to_the_acquired_one(make_filled_run, tmp_path):
    run = make_filled_run(tmp_path / "raw")
    values = np.zeros(run.shape[:3])
    values[100:140, 60:200] = 1
    found = to_acquired(with_mask(run, tmp_path, values), tmp_path / "acquired.nii")
    grid = SliceGrid(found.shape[:3], nib.load(found.files.dwi).affine, 2, 2)
    masks = make_masks(
        found, grid, input_mask=tmp_path / "in.nii", output_mask=tmp_path / "out.nii"
    )
    assert masks.given
    inside = np.argwhere(load_mask(masks.input))
    assert inside.min(0)[:2].tolist() == [50, 30] and inside.max(0)[:2].tolist() == [69, 99]
    assert np.array_equal(load_mask(masks.output), values > 0)


@pytest.mark.parametrize(("side", "joined"), [(1, False), (4, True)])
def test_what_a_bridge_is_goes_by_millimetres(run, tmp_path, side, joined):
    """Six voxels across: 6 mm are a nerve, 24 mm are brain."""
    volume = np.random.default_rng(0).uniform(0, 20, (48, 24, 24))
    volume[2:24, 2:22, 2:22] = 1000
    volume[24:32, 9:15, 9:15] = 1000
    volume[32:46, 5:19, 5:19] = 1000
    data = np.repeat(volume[..., None], run.gradients.n_volumes, axis=3).astype(np.float32)
    path = tmp_path / "boxes.nii"
    nib.Nifti1Image(data, np.diag([side, side, side, 1])).to_filename(path)
    boxes = evolve(run, files=evolve(run.files, dwi=path), shape=data.shape)
    grid = SliceGrid(data.shape[:3], np.diag([side, side, side, 1.0]), 2, 2)
    masks = make_masks(
        boxes, grid, input_mask=tmp_path / "in.nii.gz", output_mask=tmp_path / "out.nii.gz"
    )
    for mask, factor in ((load_mask(masks.input), 1), (load_mask(masks.output), 2)):
        assert mask[12 * factor, 12 * factor, 12]
        assert mask[39 * factor, 12 * factor, 12] == joined
