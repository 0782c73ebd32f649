"""What is too bright to be tissue, and what is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bids_sr.images.hot_voxels import find_hot_voxels

SHAPE = (40, 36, 12)


@pytest.fixture
def head():
    """Tissue of 100, fluid of 300, air with noise of 2."""
    generator = np.random.default_rng(0)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    volume = np.where(x**2 + y**2 < 0.7, 100.0, 0.0)
    volume[(x**2 + y**2 < 0.04) & (abs(z) < 0.8)] = 300
    volume = gaussian_filter(volume, 0.5)
    return np.hypot(*(generator.normal(s, 2, SHAPE) for s in (volume, 0))).astype(np.float32)


def test_nothing_is_hot_in_a_head(head):
    hot = find_hot_voxels(head, 2)
    assert hot.count == 0
    assert hot.taken_out(head) is head


@pytest.mark.parametrize("size", [3, 10, 30, 100])
@pytest.mark.parametrize("place", [(28, 18, 6), (1, 1, 6), (28, 18, 0), (0, 35, 11)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_hot_voxel_gives_way_to_its_surroundings(head, size, place, axis):
    spoiled = head.copy()
    spoiled[place] = 300 * size
    before = spoiled.copy()
    hot = find_hot_voxels(spoiled, axis)
    assert hot.count == 1
    mended = hot.taken_out(spoiled)
    np.testing.assert_array_equal(spoiled, before)
    assert mended[place] == pytest.approx(head[place], abs=15)
    mended[place] = head[place]
    np.testing.assert_array_equal(mended, head)


@pytest.mark.parametrize("cut", [np.s_[:, 20, 6], np.s_[14, :, 6], np.s_[:, :, 6], np.s_[:, :, 0]])
def test_lines_and_slices(head, cut):
    spoiled = head.copy()
    spoiled[cut] = 65535
    hot = find_hot_voxels(spoiled, 2)
    assert hot.count == head[cut].size
    mended = hot.taken_out(spoiled)
    assert mended.max() < 1.2 * head.max()
    tissue = head[cut] > 50
    assert np.median(np.abs(mended[cut] - head[cut])[tissue]) < 10


def test_a_line_is_hot_in_fluid_too(head):
    """There it is no more than three times as bright as its surroundings."""
    spoiled = head.copy()
    spoiled[:, 18, 6] = 900
    hot = find_hot_voxels(spoiled, 2)
    assert hot.count == SHAPE[0]
    mended = hot.taken_out(spoiled)
    fluid = head[:, 18, 6] > 250
    assert fluid.sum() > 5
    assert (mended[:, 18, 6][fluid] > 80).all()


def test_fluid_beside_a_hot_voxel_stays(head):
    bright = head.copy()
    bright[18:22, 16:20, 4:8] = 700  # more than twice bright tissue
    bright[22, 18, 6] = 30000
    hot = find_hot_voxels(bright, 2)
    assert [tuple(map(int, place)) for place in zip(*hot.places, strict=True)] == [(6, 22, 18)]


def test_it_does_not_depend_on_the_unit(head):
    spoiled = head.copy()
    spoiled[28, 18, 6] = 9000
    for factor in (1e-4, 1e5):
        hot = find_hot_voxels(spoiled * np.float32(factor), 2)
        assert [int(axis[0]) for axis in hot.places] == [6, 28, 18]


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 1), (20, 20, 1)])
@pytest.mark.parametrize("value", [0, 7, -3])
def test_images_with_nothing_in_them(shape, value):
    volume = np.full(shape, value, np.float32)
    assert find_hot_voxels(volume, 2).count == 0


def test_a_voxel_alone_in_masked_air(head):
    head[head < 20] = 0
    head[1, 1, 5] = 5000
    hot = find_hot_voxels(head, 2)
    assert hot.count == 1
    assert hot.taken_out(head)[1, 1, 5] == 0


def test_the_median_of_the_surroundings_stands_in():
    """Not a quartile: three of five columns around are dark, two are bright."""
    volume = np.full((20, 20, 12), 90, np.float32)
    volume[:11] = 40
    volume[10, 10, 6] = 5000
    hot = find_hot_voxels(volume, 2)
    assert hot.count == 1
    assert hot.taken_out(volume)[10, 10, 6] == 40


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_at_the_edge_the_nearest_whole_block_counts(axis, end):
    """The outermost plane is one in five there, not three."""
    volume = np.full((20, 20, 12), 90, np.float32)
    np.moveaxis(volume, axis, 0)[end] = 10
    np.moveaxis(volume, axis, 0)[end, 9, 7] = 5000
    hot = find_hot_voxels(volume, 2)
    assert hot.count == 1
    assert np.moveaxis(hot.taken_out(volume), axis, 0)[end, 9, 7] == 90
