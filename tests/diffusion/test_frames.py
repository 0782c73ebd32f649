"""Directions of FSL in the world, worked out by hand: nothing here is the code's own."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.diffusion.frames import voxel_rotation, world_directions

X, Y, Z = np.eye(3)


def affine(*columns):
    """Voxel axes as columns, in mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack(columns, axis=1)
    matrix[:3, 3] = (9, -7, 5)
    return matrix


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        # left-handed, as FSL likes it: the bvec's x is along the voxel axis
        ((-2 * X, 2 * Y, 3 * Z), (-X, Y, Z)),
        # right-handed: along its opposite
        ((2 * X, 2 * Y, 3 * Z), (-X, Y, Z)),
        # stored sagittal (P, S, R), which is left-handed: to the back, up, to the right
        ((-2 * Y, 2 * Z, 2 * X), (-Y, Z, X)),
        # stored sagittal (A, S, R), which is right-handed
        ((2 * Y, 2 * Z, 2 * X), (-Y, Z, X)),
        # stored coronal (L, S, A), right-handed; and (R, S, A), left-handed
        ((-2 * X, 2 * Z, 2 * Y), (X, Z, Y)),
        ((2 * X, 2 * Z, 2 * Y), (X, Z, Y)),
    ],
)
def test_each_axis_of_the_table(columns, expected):
    found = world_directions(np.eye(3), affine(*columns))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_tilted_slab():
    """30 degrees about x: what was along y rises, and what was along z leans back."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    along_y, along_z = c * Y + s * Z, -s * Y + c * Z
    found = world_directions(np.eye(3), affine(-2 * X, 2 * along_y, 4 * along_z))
    np.testing.assert_allclose(found, [-X, along_y, along_z], atol=1e-12)
    mixed = world_directions(np.array([[0.6, 0, 0.8]]), affine(-2 * X, 2 * along_y, 4 * along_z))
    np.testing.assert_allclose(mixed, [-0.6 * X + 0.8 * along_z], atol=1e-12)


def test_shear_changes_no_lengths():
    sheared = affine(-2 * X, 2 * Y, 3 * Z + 0.4 * Y)
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = world_directions(np.vstack([vectors, np.zeros(3)]), sheared)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [*np.ones(20), 0], atol=1e-12)
    rotation, signs = voxel_rotation(sheared)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert signs.tolist() == [1, 1, 1]
