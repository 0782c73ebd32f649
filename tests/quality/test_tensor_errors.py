from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bids_sr.quality.tensor_errors import (
    mean_absolute_error,
    v1_angle,
    v1_angles,
    white_matter,
)


def axes(n=500):
    vectors = np.random.default_rng(0).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("planted", [0.0, 0.01, 7.0, 45.0, 89.0])
def test_planted_turn_is_found_whatever_the_signs(planted):
    one = axes()
    across = np.cross(one, axes()[::-1])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = Rotation.from_rotvec(across * np.radians(planted)).apply(one)
    other[::2] *= -1
    assert v1_angles(one, other) == pytest.approx(planted, abs=1e-4)


def test_lengths_do_not_matter_and_zero_is_not_a_direction():
    angles = v1_angles(np.array([[2.0, 0, 0], [0, 0, 0]]), np.array([[0, 0.1, 0], [1, 0, 0]]))
    assert angles[0] == pytest.approx(90)
    assert np.isnan(angles[1])


def test_median_over_the_mask_only():
    reference = axes(60).reshape(5, 4, 3, 3)
    test = reference.copy()
    mask = np.zeros((5, 4, 3), bool)
    mask[:2] = True
    test[~mask] = reference[~mask][:, [1, 2, 0]]
    assert v1_angle(reference, test, mask) == pytest.approx(0)
    assert v1_angle(reference, test, ~mask) > 10
    assert np.isnan(v1_angle(reference, test, np.zeros_like(mask)))


def test_mean_absolute_error():
    reference = np.zeros((3, 3, 3), np.float32)
    test = reference.copy()
    test[0] = 0.2
    test[1] = -0.4
    mask = np.zeros((3, 3, 3), bool)
    mask[:2] = True
    assert mean_absolute_error(reference, test, mask) == pytest.approx(0.3)
    assert np.isnan(mean_absolute_error(reference, test, np.zeros_like(mask)))


def test_white_matter_leaves_out_grey_fluid_and_outside():
    fa = np.array([0.6, 0.1, 0.6, 0.6])
    md = np.array([0.7e-3, 0.7e-3, 2.5e-3, 0.7e-3])
    mask = np.array([True, True, True, False])
    assert white_matter(fa, md, mask).tolist() == [True, False, False, False]
