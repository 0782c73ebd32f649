"""What is shown lies in the brain and within the image."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.report.sampling import choose_contrasts, choose_detail, choose_sample


def test_slices_and_box_cover_the_brain():
    mask = np.zeros((20, 60, 80), bool)
    mask[10:18, 20:40, 30:70] = True
    sample = choose_sample(mask, 2)
    assert all(10 <= number < 18 for number in sample.slices)
    assert len(sample.slices) == 3
    (a0, a1), (b0, b1) = sample.box.a, sample.box.b
    assert a0 < 10 and a1 > 20 and b0 < 15 and b1 > 35  # acquired voxels, with a margin
    assert a0 >= 0 and a1 <= 30 and b0 >= 0 and b1 <= 40
    assert sample.box.cut(mask, 2).sum() == mask.sum()


@pytest.mark.parametrize("shape", [(1, 6, 6), (2, 30, 30), (5, 33, 21)])
@pytest.mark.parametrize("filled", [True, False])
def test_small_empty_and_odd_masks(shape, filled):
    sample = choose_sample(np.full(shape, filled), 3)
    assert 1 <= len(sample.slices) <= 3
    assert sample.box.cut(np.ones(shape), 3).shape == shape


def test_cut_of_both_grids_is_the_same_region():
    mask = np.zeros((3, 24, 24), bool)
    mask[:, 9:15, 6:20] = True
    box = choose_sample(mask, 3).box
    coarse = np.arange(64.0).reshape(1, 8, 8)
    fine = coarse.repeat(3, axis=1).repeat(3, axis=2)
    assert np.array_equal(box.cut(fine, 3), box.cut(coarse).repeat(3, axis=1).repeat(3, axis=2))


def test_one_volume_of_each_kind():
    bvals = np.array([1000, 0, 1000, 2000, 1000, 2000, 0])
    bvecs = np.tile([1.0, 0, 0], (7, 1))
    contrasts = choose_contrasts(GradientTable(bvals, bvecs))
    assert [(c.name, c.volume, c.n_alike) for c in contrasts] == [
        ("b0", 1, 2),
        ("b1000", 2, 3),
        ("b2000", 5, 2),
    ]


def test_series_without_b0():
    contrasts = choose_contrasts(GradientTable(np.full(3, 700), np.eye(3)))
    assert [c.name for c in contrasts] == ["b700"]


def test_detail_is_where_the_edges_are():
    picture = np.zeros((80, 100), np.float32)
    picture[50:60:2, 70:80] = 100
    box = choose_detail(picture, np.ones(picture.shape, bool), (2.0, 2.0))
    assert box.a[1] - box.a[0] == box.b[1] - box.b[0] == 26
    assert box.a[0] <= 50 and box.a[1] >= 60 and box.b[0] <= 70 and box.b[1] >= 80


def test_detail_fits_into_tiny_images():
    box = choose_detail(np.ones((6, 9), np.float32), np.zeros((6, 9), bool), (4.0, 4.0))
    assert 0 <= box.a[0] < box.a[1] <= 6
    assert 0 <= box.b[0] < box.b[1] <= 9
