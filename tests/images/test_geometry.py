"""A landmark lies at the same place of the world before and after refinement."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from bids_sr.images.grid import SliceGrid, from_slices, to_slices
from bids_sr.images.kspace import sinc_upsample
from bids_sr.images.nifti import DwiReader, VolumeWriter

OBLIQUE = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
PERMUTED = np.array([[0, 0, -1.0], [-1, 0, 0], [0, 1, 0]])
MIRROR = np.diag([-1.0, 1, 1])
ORIENTATIONS = {
    "oblique mirrored": OBLIQUE @ MIRROR,
    "sagittal": PERMUTED,
    "radiological": MIRROR,
}


def make_affine(rotation, zooms=(2.0, 2.2, 2.7)):
    affine = np.eye(4)
    affine[:3, :3] = rotation * zooms
    affine[:3, 3] = (61.3, -72.9, 18.4)
    return affine


def blob(shape, affine, world, width):
    """A Gaussian around a world position, sampled at the voxel centres."""
    steps = np.ogrid[tuple(slice(n) for n in shape)]
    distance = sum(
        (sum(row[i] * steps[i] for i in range(3)) + row[3] - goal) ** 2
        for row, goal in zip(affine[:3], world, strict=True)
    )
    return (1000 * np.exp(-distance / (2 * width**2))).astype(np.float32)


def centre(volume, affine):
    """Centre of mass in world coordinates."""
    profiles = [
        volume.sum(axis=tuple(j for j in range(3) if j != i), dtype=np.float64) for i in range(3)
    ]
    index = [np.average(np.arange(p.size), weights=p) for p in profiles]
    return affine[:3, :3] @ index + affine[:3, 3]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("shape", [(24, 26, 25), (27, 25, 24)])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_landmark_through_files(write_nifti, tmp_path, axis, factor, shape, orientation):
    affine = make_affine(ORIENTATIONS[orientation])
    world = affine[:3, :3] @ (np.array(shape) / 2 + (0.3, -0.9, 0.4)) + affine[:3, 3]
    lr_path = write_nifti(blob(shape, affine, world, 4.0)[..., None], affine=affine)
    hr_path = tmp_path / "hr.nii.gz"
    with DwiReader(lr_path) as reader:
        grid = SliceGrid(reader.shape[:3], reader.affine, axis, factor)
        lr = reader.volume(0)
        slices = torch.from_numpy(to_slices(lr, axis).copy())
        hr = from_slices(sinc_upsample(slices, factor).numpy(), axis)
        hr_shape, hr_affine = grid.high_resolution
        assert hr.shape == hr_shape
        with VolumeWriter(hr_path, (*hr_shape, 1), hr_affine, like=reader.meta) as writer:
            writer.write(hr)

    assert centre(lr, grid.affine) == pytest.approx(world, abs=1e-3)
    made = nib.load(hr_path)
    data = made.get_fdata()[..., 0]
    for which in (made.header.get_sform(), made.header.get_qform(), made.affine):
        assert centre(data, which) == pytest.approx(world, abs=1e-3)
    # not only the centre: the whole refined image is the finely sampled object
    fine = blob(hr_shape, hr_affine, world, 4.0)
    assert np.abs(data - fine).max() < 1.0


def test_a_wrong_affine_would_be_seen():
    affine = make_affine(OBLIQUE)
    shape = (24, 26, 25)
    world = affine[:3, :3] @ (np.array(shape) / 2) + affine[:3, 3]
    hr_shape, hr_affine = SliceGrid(shape, affine, 2, 2).high_resolution
    volume = blob(hr_shape, hr_affine, world, 4.0)
    corner_aligned = hr_affine.copy()
    corner_aligned[:3, 3] = affine[:3, 3]
    assert np.linalg.norm(centre(volume, corner_aligned) - world) > 0.5


@pytest.mark.parametrize(
    ("qform", "sform", "expected"),
    [
        (1, 1, (1, 1)),
        (1, 2, (1, 2)),
        (0, 1, (1, 1)),
        (0, 4, (4, 4)),
        (3, 0, (3, 3)),
        (0, 0, (1, 1)),
    ],
)
@pytest.mark.parametrize("rotation", [OBLIQUE, OBLIQUE @ MIRROR])
def test_orientation_codes(write_nifti, tmp_path, qform, sform, expected, rotation):
    affine = make_affine(rotation)

    def edit(header):
        header.set_qform(affine, qform)
        header.set_sform(affine, sform)

    path = write_nifti(np.ones((6, 5, 4, 1), np.float32), affine=None, edit=edit)
    # nibabel writes the codes it finds best: put ours back
    image = nib.load(path)
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (qform, sform)
    out = tmp_path / "hr.nii.gz"
    with DwiReader(path) as reader:
        if qform or sform:
            assert reader.affine == pytest.approx(affine, abs=1e-4)
        hr_shape, hr_affine = SliceGrid(reader.shape[:3], reader.affine, 2, 2).high_resolution
        with VolumeWriter(out, (*hr_shape, 1), hr_affine, like=reader.meta) as writer:
            writer.write(np.zeros(hr_shape))
    header = nib.load(out).header
    assert (int(header["qform_code"]), int(header["sform_code"])) == expected
    corners = np.array([[*c, 1] for c in itertools.product(*((0, n) for n in hr_shape))])
    for form in (header.get_sform(), header.get_qform()):
        assert corners @ form.T == pytest.approx(corners @ hr_affine.T, abs=1e-3)
    assert header.get_zooms()[:3] == pytest.approx(np.linalg.norm(hr_affine[:3, :3], axis=0))


def test_disagreeing_forms_are_told(write_nifti):
    other = make_affine(OBLIQUE)
    other[:3, 3] += (0, 5, 0)

    def edit(header):
        header.set_sform(other, 2)
        header.set_qform(make_affine(OBLIQUE), 1)

    path = write_nifti(np.ones((6, 5, 4, 1), np.float32), affine=None, edit=edit)
    with DwiReader(path) as reader:
        assert reader.affine == pytest.approx(other, abs=1e-4)
        assert "5.0 mm apart; the sform is used" in " ".join(reader.warnings)


def test_missing_orientation_is_told(write_nifti):
    def edit(header):
        header.set_sform(None, 0)
        header.set_qform(None, 0)

    path = write_nifti(np.ones((6, 5, 4, 1), np.float32), affine=None, edit=edit)
    with DwiReader(path) as reader:
        assert "left and right may be swapped" in " ".join(reader.warnings)


def test_agreeing_forms_are_silent(write_nifti):
    with DwiReader(write_nifti(np.ones((6, 5, 4, 1), np.float32))) as reader:
        assert not reader.warnings
