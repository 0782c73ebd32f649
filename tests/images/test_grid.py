"""Slice axis, slices and the refined grid."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.images.grid import SliceGrid, choose_slice_axis, from_slices, to_slices

ISO = (2.0, 2.0, 2.0)
SHAPE = (96, 90, 60)


@pytest.mark.parametrize(
    ("zooms", "sidecar", "override", "dim_info", "expected"),
    [
        (ISO, {}, None, None, 2),
        (ISO, {}, 0, None, 0),
        (ISO, {"SliceEncodingDirection": "j"}, None, None, 1),
        (ISO, {"SliceEncodingDirection": "i-"}, None, None, 0),
        (ISO, {"SliceEncodingDirection": "i"}, 1, None, 1),
        # the sidecar wins over voxel size and header
        ((2, 2, 4), {"SliceEncodingDirection": "i"}, None, 2, 0),
        ((4, 2, 2), {}, None, None, 0),
        ((2, 4, 2), {}, None, None, 1),
        # rounding of voxel sizes by the scanner is no thick slice
        ((2.7073, 2.7, 2.7), {}, None, None, 2),
        ((2.7073, 2.7073, 2.7), {}, None, None, 2),
        # two axes equally thick say nothing
        ((4, 4, 2), {}, None, None, 2),
        (ISO, {}, None, 1, 1),
        ((4, 2, 2), {}, None, 2, 0),
        # phase runs within the slice
        ((2.2, 2, 2), {"PhaseEncodingDirection": "i-"}, None, None, 2),
        (ISO, {"PhaseEncodingDirection": "j"}, None, 1, 2),
        (ISO, {"PhaseEncodingDirection": "k"}, None, None, 1),
        (ISO, {"SliceEncodingDirection": None}, None, None, 2),
        (ISO, {"SliceEncodingDirection": "?"}, None, None, 2),
    ],
)
def test_slice_axis(zooms, sidecar, override, dim_info, expected):
    assert choose_slice_axis(SHAPE, zooms, sidecar, override, dim_info) == expected


def test_slice_axis_out_of_range():
    with pytest.raises(ValueError, match="0, 1 or 2"):
        choose_slice_axis(SHAPE, ISO, {}, 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_and_back(axis):
    volume = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    slices = to_slices(volume, axis)
    in_plane = [n for i, n in enumerate(volume.shape) if i != axis]
    assert slices.shape == (volume.shape[axis], *in_plane)
    assert np.shares_memory(slices, volume)
    assert np.array_equal(slices[1], volume.take(1, axis=axis))
    assert np.array_equal(from_slices(slices, axis), volume)


@pytest.mark.parametrize(("factor", "first"), [(2, -0.25), (3, -1 / 3)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_field_of_view_is_kept(axis, factor, first):
    grid = SliceGrid((5, 8, 7), np.diag([2.0, 3.0, 4.0, 1.0]), axis, factor)
    shape, affine = grid.high_resolution
    in_plane = [i for i in range(3) if i != axis]
    assert grid.in_plane == tuple(in_plane)
    assert grid.zooms == (2.0, 3.0, 4.0)
    assert shape == tuple(n * (1 if i == axis else factor) for i, n in enumerate(grid.shape))
    start = (np.linalg.inv(grid.affine) @ affine)[:3, 3]
    assert start[in_plane] == pytest.approx([first, first])
    assert start[axis] == 0
    # outer edges of the first and the last voxel
    for edge in (np.full(3, -0.5), np.array(grid.shape) - 0.5):
        refined = np.where(edge < 0, -0.5, np.array(shape) - 0.5)
        assert affine @ [*refined, 1] == pytest.approx(grid.affine @ [*edge, 1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (4, 4)},
        {"shape": (4, 0, 4)},
        {"affine": np.diag([1.0, 0, 1, 1])},
        {"slice_axis": 3},
        {"factor": 0},
    ],
)
def test_wrong_grid(wrong):
    right = {"shape": (4, 4, 4), "affine": np.eye(4), "slice_axis": 2, "factor": 2}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SliceGrid(**{**right, **wrong})


@pytest.mark.parametrize("axis", range(3))
def test_fine_voxels_are_those_of_the_fine_affine(axis):
    grid = SliceGrid((10, 12, 14), np.diag([2.0, 3.0, 4.0, 1.0]), axis, 3)
    sides = np.linalg.norm(grid.high_resolution[1][:3, :3], axis=0)
    assert grid.fine_zooms == pytest.approx(sides)
    assert grid.fine_zooms[axis] == grid.zooms[axis]
