"""Planted bad lines and slices are found and named; anatomy is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.grid import SliceGrid
from bids_sr.quality.lines import BadParts, bad_slices, line_excess
from bids_sr.quality.series_context import VolumePair, make_context

SHAPE = (14, 40, 36)
"""Slices, rows, columns."""
VOLUMES = 9


def series():
    """A b0 and a shell of blobby heads with noise, (volumes, slices, rows, columns), and a mask."""
    generator = np.random.default_rng(0)
    k, rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    mask = (k / 1.3) ** 2 + rows**2 + columns**2 < 0.7
    tissue = 400 + 300 * (gaussian_filter(generator.standard_normal(SHAPE), 2) > 0)
    decay = [1.0, *np.linspace(0.3, 0.5, VOLUMES - 1)]
    images = [np.where(mask, d * tissue, 20) + generator.normal(0, 10, SHAPE) for d in decay]
    return np.array(images, np.float32), mask


def find(images, mask, slice_axis=2):
    bvals = np.array([0.0] + [1000.0] * (VOLUMES - 1))
    gradients = GradientTable(bvals, np.eye(3)[np.arange(VOLUMES) % 3])
    inside = np.moveaxis(mask, 0, slice_axis)
    context = make_context(
        gradients, SliceGrid(inside.shape, np.eye(4), slice_axis, 1), inside, inside
    )
    parts = BadParts(context)
    for i, image in enumerate(images):
        parts.add(VolumePair(i, context.shells[i], i == 0, image, image))
    assert parts.result()[1]["bad_slices"] == [
        {"volume": p.volume, "slice": p.slice, "text": p.text} for p in parts.found()
    ]
    return [part.words for part in parts.found()]


def test_a_clean_series_raises_no_alarm():
    assert find(*series()) == []


@pytest.mark.parametrize("volume", [0, 4])  # the only b0, one of a shell
@pytest.mark.parametrize(("slice_axis", "letter"), [(2, "j"), (1, "k"), (0, "k")])
def test_a_saturated_part_of_a_line_is_named(volume, slice_axis, letter):
    images, mask = series()
    images[volume, 9, 4:20, 33] = 65535  # a part of column 33, at the rim
    assert find(images, mask, slice_axis) == [
        f"volume {volume}, slice 9 (saturated line {letter} = 33)"
    ]


def test_a_bright_line_that_is_not_saturated():
    images, mask = series()
    images[3, 5, 20] += 1500 + np.arange(36)
    assert find(images, mask) == ["volume 3, slice 5 (bright line i = 20)"]


def test_a_dark_line():
    images, mask = series()
    images[0, 7, 20] = -800
    assert find(images, mask) == ["volume 0, slice 7 (dark line i = 20)"]


def test_what_is_in_all_volumes_of_a_shell_is_anatomy():
    images, mask = series()
    images[1:, 5, 20] += 1500
    assert find(images, mask) == []


def test_lost_signal_of_a_slice():
    images, mask = series()
    images[6, 8] *= 0.2
    (found,) = find(images, mask)
    assert found.startswith("volume 6, slice 8 (signal loss, 2")


def test_neighbouring_slices_of_a_lost_one_and_dim_volumes_are_left_alone():
    brightness = np.full((6, 10), 100.0)
    brightness[2] *= 0.3  # another direction, another contrast
    brightness[4, 5] = 10
    assert [(v, k) for v, k, _ in bad_slices(brightness)] == [(4, 5)]
    assert bad_slices(brightness[:3]) == []  # too few to know what is usual
    brightness[:, 0] = np.nan
    assert [(v, k) for v, k, _ in bad_slices(brightness)] == [(4, 5)]


def test_excess_over_the_brightest_neighbour():
    profiles = np.zeros((4, 5))
    profiles[1, 2], profiles[1, 3] = 10, 4
    excess = line_excess(profiles)
    assert excess[1, 2] == 6
    assert excess[1, 3] == -6
    profiles[0, 0] = 3
    assert line_excess(profiles)[0, 0] == 3
