"""A slice is turned so that its letters are true."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from bids_sr.report.orientation import slice_view

TOWARDS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def affines():
    for axes in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            affine = np.zeros((4, 4))
            affine[3, 3] = 1
            for voxel_axis, (world_axis, sign) in enumerate(zip(axes, signs, strict=True)):
                affine[world_axis, voxel_axis] = sign * (1 + voxel_axis)
            yield affine


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_letters_point_where_world_coordinates_grow(slice_axis):
    for affine in affines():
        view = slice_view(affine, slice_axis)
        grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1)
        world = nib.affines.apply_affine(affine, grid)
        picture = view.picture(np.take(world, 1, axis=slice_axis))  # (row, column, 3)
        down = picture[-1, 0] - picture[0, 0]
        across = picture[0, -1] - picture[0, 0]
        for letter, step in (
            (view.bottom, down),
            (view.top, -down),
            (view.right, across),
            (view.left, -across),
        ):
            axis, sign = TOWARDS[letter]
            assert np.argmax(np.abs(step)) == axis
            assert np.sign(step[axis]) == sign


def test_views_are_the_usual_ones():
    for affine in affines():
        for axis in range(3):
            view = slice_view(affine, axis)
            code = nib.aff2axcodes(affine)[axis]
            edges = (view.left, view.right, view.top, view.bottom)
            if code in "SI":
                assert edges == ("L", "R", "A", "P")
            elif code in "AP":
                assert edges == ("L", "R", "S", "I")
            else:
                assert edges == ("P", "A", "S", "I")


def test_spacing_follows_the_turn():
    view = slice_view(np.diag([1.0, 2.0, 3.0, 1]), 2)
    assert view.transpose
    assert view.spacing == (2.0, 1.0)  # rows run along y


def test_oblique_volumes_are_not_resampled():
    angle = np.deg2rad(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    view = slice_view(turn @ np.diag([2.0, 2, 3, 1]), 2)
    slice_ = np.arange(12.0).reshape(3, 4)
    assert sorted(view.picture(slice_).ravel()) == sorted(slice_.ravel())
    assert view.spacing == pytest.approx((2, 2))
