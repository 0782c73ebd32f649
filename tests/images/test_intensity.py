"""The scale of a run stays put when a few voxels go wild."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.images.intensity import bright_level, robust_scale


@pytest.fixture(scope="module")
def head():
    """(64, 64, 30): a bright ball with ventricles, in Rician noise."""
    generator = np.random.default_rng(0)
    x, y, z = np.indices((64, 64, 30), dtype=np.float32)
    radius = np.hypot(np.hypot(x - 32, y - 31), 2 * (z - 15))
    signal = np.where(radius < 24, 400.0, 0.0) + np.where(radius < 8, 600.0, 0.0)
    real = signal + generator.normal(0, 20, signal.shape)
    return np.hypot(real, generator.normal(0, 20, signal.shape)).astype(np.float32)


def test_lies_at_the_top_of_the_tissue(head):
    assert 900 < robust_scale(head) < 1100


@pytest.mark.parametrize("hot", [2e3, 65535.0, 1e9])
def test_one_hot_voxel(head, hot):
    spoiled = head.copy()
    spoiled[10, 50, 3] = hot
    assert robust_scale(spoiled) == pytest.approx(robust_scale(head), rel=0.02)


@pytest.mark.parametrize("hot", [5e3, 65535.0])
def test_saturated_line(head, hot):
    spoiled = head.copy()
    spoiled[20:40, 31, 29] = hot
    assert robust_scale(spoiled) == pytest.approx(robust_scale(head), rel=0.02)


def test_follows_the_units(head):
    assert robust_scale(head * 250) == pytest.approx(250 * robust_scale(head), rel=1e-4)


def test_more_air_changes_little(head):
    padded = np.pad(head, ((16, 16), (16, 16), (0, 0)))
    assert robust_scale(padded) == pytest.approx(robust_scale(head), rel=0.02)


def test_several_volumes_count_as_one(head):
    both = robust_scale([head, head[::-1]])
    assert both == pytest.approx(robust_scale(head), rel=1e-3)


def test_is_read_only(head):
    before = head.copy()
    robust_scale(head)
    assert np.array_equal(head, before)


@pytest.mark.parametrize(("value", "expected"), [(0.0, 1.0), (-3.0, 1.0), (7.0, 7.0), (1e-6, 1e-6)])
def test_constant_image(value, expected):
    assert robust_scale(np.full((4, 4, 4), value, np.float32)) == pytest.approx(expected)


def test_single_voxel_of_signal():
    volume = np.zeros((8, 8, 8), np.float32)
    volume[4, 4, 4] = 100
    assert robust_scale(volume) == pytest.approx(100)


def test_bright_tissue_is_the_ninetieth_percentile_of_what_is_above_the_mean():
    """Neither air nor dark tissue counts, and the brightest tenth does not rule."""
    dark, bright = np.zeros(4999), np.linspace(100, 200, 1001)
    volume = np.concatenate([dark, bright]).reshape(-1, 3, 1).astype(np.float32)
    assert bright_level(volume) == pytest.approx(190, rel=1e-3)
    assert bright_level(volume[::-1] * 7) == pytest.approx(7 * 190, rel=1e-3)
    dim = np.where(volume == 0, 20, volume).astype(np.float32)  # above zero, below the mean
    assert bright_level(dim) == pytest.approx(190, rel=1e-3)


@pytest.mark.parametrize("value", [0, 5, -3])
def test_a_constant_image_has_no_bright_tissue(value):
    assert bright_level(np.full((4, 4, 4), value, np.float32)) == 1.0


def test_the_scale_is_of_the_foreground_however_much_air_there_is():
    """The 99th percentile of tissue from 100 to 200, which is a fiftieth of the voxels."""
    tissue = np.linspace(100, 200, 1001)
    air = np.random.default_rng(0).uniform(0, 5, 48999)
    volume = np.concatenate([air, tissue]).reshape(100, 20, 25).astype(np.float32)
    assert robust_scale(volume) == pytest.approx(199, rel=1e-3)
    assert robust_scale(volume / 1000) == pytest.approx(0.199, rel=1e-3)
