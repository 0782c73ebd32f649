"""Masks that came with the data: what counts as brain, and what is told."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_sr.diffusion.given_mask import place_mask, read_mask
from bids_sr.errors import InputError

SHAPE = (12, 10, 8)
AFFINE = np.array([[-2, 0, 0, 11], [0, 2, 0, -9], [0, 0, 3, -10], [0, 0, 0, 1.0]])
BRAIN = np.zeros(SHAPE, bool)
BRAIN[3:9, 2:8, 2:6] = True


@pytest.fixture
def read(tmp_path):
    def do(values, dtype=np.float32, affine=AFFINE, slope=None):
        path = tmp_path / "brain.nii.gz"
        image = nib.Nifti1Image(np.asarray(values).astype(dtype), affine)
        if slope:
            image.header.set_slope_inter(slope, 0)
        image.to_filename(path)
        return read_mask(path)

    return do


@pytest.fixture
def place(read, tmp_path):
    def do(values, affine=AFFINE, shape=SHAPE):
        return place_mask(read(values, affine=affine), shape, AFFINE, tmp_path / "dwi.nii.gz")

    return do


def between(inside, outside):
    return np.where(BRAIN, inside, outside)


@pytest.mark.parametrize(
    ("inside", "outside", "dtype"),
    [(1, 0, np.uint8), (255, 0, np.uint8), (1, 0, np.float32), (3, 0, np.int16)],
)
def test_of_two_values_zero_is_outside(read, inside, outside, dtype):
    mask = read(between(inside, outside), dtype)
    assert np.array_equal(mask.inside, BRAIN) and mask.warnings == ()


@pytest.mark.parametrize(("inside", "outside"), [(0.99, 0.01), (0.5, 0.49), (1.03, -0.04)])
def test_probabilities_count_from_one_half_on(read, inside, outside):
    mask = read(between(inside, outside))
    assert np.array_equal(mask.inside, BRAIN)
    assert mask.warnings == (
        "The brain mask brain.nii.gz holds values between 0 and 1; those from 0.5 on count as"
        " brain.",
    )


def test_probabilities_stored_as_scaled_integers(read):
    mask = read(between(250, 3), np.uint8, slope=1 / 255)
    assert np.array_equal(mask.inside, BRAIN) and "0.5 on" in mask.warnings[0]


def test_labels_all_count(read):
    labels = BRAIN * 1.0
    labels[5] *= 255
    mask = read(labels, np.uint8)
    assert np.array_equal(mask.inside, BRAIN)
    assert "holds labels up to 255; all but 0 count as brain" in mask.warnings[0]


def test_voxels_without_a_value_are_outside(read):
    mask = read(between(1, np.nan))
    assert np.array_equal(mask.inside, BRAIN)
    assert "are NaN or infinite; they count as outside" in mask.warnings[0]


def test_negative_values_are_outside(read):
    mask = read(between(1, -1), np.int16)
    assert np.array_equal(mask.inside, BRAIN)
    assert "holds negative values (lowest -1)" in mask.warnings[0]


@pytest.mark.parametrize(
    "values", [np.zeros(SHAPE), np.full(SHAPE, 0.3), np.full(SHAPE, np.nan), -1.0 * BRAIN]
)
def test_nothing_inside(read, values):
    with pytest.raises(InputError, match=r"brain\.nii\.gz: has no voxel that counts as brain"):
        read(values)


def test_an_image_is_no_mask(read):
    with pytest.raises(InputError, match="neither a mask's"):
        read(between(812.7, 0.2))


def test_one_volume_of_a_series(read):
    assert np.array_equal(read(BRAIN[..., None]).inside, BRAIN)
    with pytest.raises(InputError, match="but 3 dimensions are expected"):
        read(np.stack([BRAIN, BRAIN], axis=-1))


def test_a_mask_that_fits_is_not_spoken_of(place):
    carried, warnings = place(BRAIN)
    assert np.array_equal(carried, BRAIN) and warnings == ()


def moved(voxels):
    affine = AFFINE.copy()
    affine[:3, 3] += AFFINE[:3, 0] * voxels
    return affine


def test_half_outside_the_image(place):
    carried, warnings = place(BRAIN, moved(-6))
    assert np.array_equal(carried[:3], BRAIN[6:9]) and carried[3:].sum() == 0
    told = " ".join(warnings)
    assert "50% of the brain mask brain.nii.gz lies outside the image" in told
    assert "does not cover 50% of the image" in told
    assert "has as many voxels as the image, but its header says that they lie elsewhere" in told


def test_wholly_outside_the_image(place):
    with pytest.raises(InputError, match="has no voxel inside the image"):
        place(BRAIN, moved(30))


def test_another_grid_over_the_same_place(place):
    finer = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    finer[:3, 3] = AFFINE[:3] @ [-0.25, -0.25, -0.25, 1]
    carried, warnings = place(BRAIN.repeat(2, 0).repeat(2, 1).repeat(2, 2), finer)
    assert np.array_equal(carried, BRAIN) and warnings == ()


def test_everywhere(place):
    carried, warnings = place(np.ones(SHAPE))
    assert carried.all()
    assert warnings == (
        "The brain mask brain.nii.gz covers 100% of the image, air included: maps and quality"
        " metrics are computed there as well.",
    )


def test_another_order_of_axes(place):
    flipped = AFFINE.copy()
    flipped[:3, 0] *= -1
    flipped[:3, 3] = AFFINE[:3] @ [SHAPE[0] - 1, 0, 0, 1]
    carried, warnings = place(BRAIN[::-1], flipped)
    assert np.array_equal(carried, BRAIN)
    # the same place with the axis the other way round
    assert warnings == ()
