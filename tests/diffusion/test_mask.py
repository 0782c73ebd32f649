from __future__ import annotations

import logging

import numpy as np
import pytest
from nibabel.affines import apply_affine

from bids_sr.diffusion.mask import brain_mask, carry_mask
from bids_sr.errors import InputError
from bids_sr.images.grid import SliceGrid


def head(shape=(48, 56, 40)):
    """Brain with bright ventricles and a dark hole, an eye on a thin nerve, a faint scalp."""
    rng = np.random.default_rng(1)
    x, y, z = np.meshgrid(*(np.arange(n) - n / 2 for n in shape), indexing="ij")
    brain = (x / 15) ** 2 + (y / 18) ** 2 + (z / 13) ** 2 < 1
    image = 20 + 5 * rng.random(shape)
    shell = (x / 19) ** 2 + (y / 22) ** 2 + (z / 17) ** 2
    image[(shell < 1) & (shell > 0.8)] = 60
    image[brain] = 300 * (1 + 0.1 * rng.normal(size=int(brain.sum())))
    image[(x / 4) ** 2 + (y / 7) ** 2 + (z / 4) ** 2 < 1] = 1500
    image[((x - 7) ** 2 + (y + 2) ** 2 + z**2) < 9] = 40
    eye = ((x - 8) ** 2 + (y - 23) ** 2 + (z + 4) ** 2) < 12
    image[eye] = 1400
    image[(abs(x - 8) < 2) & (abs(z + 4) < 2) & (y > 10) & (y < 22)] = 500
    return image.astype(np.float32), brain, eye


def test_brain_is_found_despite_bright_fluid_dark_hole_and_eye():
    image, brain, eye = head()
    mask = brain_mask(image, (2, 2, 2))
    dice = 2 * (mask & brain).sum() / (mask.sum() + brain.sum())
    assert dice > 0.96
    assert mask[31, 26, 20], "the dark hole inside the brain is filled"
    assert (mask & eye).sum() < 0.1 * eye.sum()


def test_scale_of_the_image_does_not_matter():
    image, *_ = head()
    assert np.array_equal(brain_mask(image), brain_mask(image * np.float32(1e-4)))


def test_image_without_contrast_falls_back_and_says_so(caplog):
    flat = np.full((8, 8, 8), 3, dtype=np.float32)
    flat[0] = 0
    with caplog.at_level(logging.WARNING, logger="bids_sr"):
        mask = brain_mask(flat)
    assert np.array_equal(mask, flat > 0)
    assert "brain mask" in caplog.text


def test_image_of_zeros_is_an_error():
    with pytest.raises(InputError, match="above zero"):
        brain_mask(np.zeros((8, 8, 8), dtype=np.float32))


def test_the_input_is_left_alone():
    image, *_ = head()
    before = image.copy()
    brain_mask(image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("factor", [2, 3])
def test_carried_to_the_fine_grid_each_voxel_becomes_a_block(factor):
    rng = np.random.default_rng(0)
    mask = rng.random((7, 6, 5)) > 0.5
    affine = np.array([[-2, 0.1, 0, 30], [0.1, 2, 0.2, -20], [0, 0, 2.5, 4], [0, 0, 0, 1.0]])
    shape, fine = SliceGrid(mask.shape, affine, 2, factor).high_resolution
    expected = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    assert np.array_equal(carry_mask(mask, affine, shape, fine), expected)


def test_carried_between_unlike_grids_it_stays_in_place():
    """A ball in world coordinates, its mask stored flipped and on another grid."""
    source = np.array([[-2.0, 0, 0, 40], [0, 0, 2, -40], [0, 2, 0, -40], [0, 0, 0, 1]])
    target = np.diag([1.5, 1.5, 3, 1])
    target[:3, 3] = [-30, -20, -25]

    def ball(shape, affine):
        world = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
        return ((world - [3, 5, -2]) ** 2).sum(-1) < 15**2

    carried = carry_mask(ball((41, 41, 41), source), source, (40, 36, 18), target)
    truth = ball((40, 36, 18), target)
    assert 2 * (carried & truth).sum() / (carried.sum() + truth.sum()) > 0.93
    centre = apply_affine(target, np.argwhere(carried)).mean(0)
    assert np.abs(centre - [3, 5, -2]).max() < 0.6


def test_outside_the_field_of_view_there_is_no_mask():
    carried = carry_mask(np.ones((4, 4, 4), bool), np.eye(4), (8, 4, 4), np.eye(4))
    assert carried[:4].all()
    assert not carried[4:].any()
