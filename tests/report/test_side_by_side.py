"""The first pictures: acquired, interpolated and super-resolved, honestly side by side."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bids_sr.images.nifti import DwiReader, write_image
from bids_sr.report import side_by_side
from bids_sr.report.figures import make_figures
from bids_sr.report.index import OVERVIEW, read_index
from bids_sr.report.orientation import slice_view
from bids_sr.report.raster import OUTLINE
from bids_sr.report.sampling import Box
from bids_sr.report.sticks import in_picture, with_sticks


@pytest.fixture
def drawn(scan, maps):
    """Function: the pictures of a run by tab; `detail` is added to the interpolation."""

    def draw(detail=None, *, has_tensor=True, mask=None):
        sr, names = scan(detail)
        maps(sr, names)
        if mask is not None:
            write_image(names.mask, mask, sr.grid.high_resolution[1])
        index = make_figures(sr, names, mask=names.mask, has_tensor=has_tensor)
        found = [p for p in read_index(index).pictures if p.section == OVERVIEW]
        return {
            p.tab: np.asarray(Image.open(names.figures_dir / p.image).convert("RGB")).astype(int)
            for p in found
        }, found

    return draw


def columns(picture):
    """Return the three panels of the upper row, letters and frames aside, and of the lower."""
    margin, head = (round(size * side_by_side._TEXT) for size in (116, 42))
    side = (picture.shape[1] - margin - 14) // 3 - 14
    corners = [14 + n * (side + 14) for n in range(3)]
    return [
        [picture[top : top + side, left : left + side] for left in corners]
        for top in (head, head + side + 14 + head)
    ]


def test_each_contrast_and_the_tensor_have_a_tab(drawn):
    pictures, listed = drawn()
    assert list(pictures) == ["b0", "DWI, b = 1000", "FA", "Colour FA", "V1"]
    assert all(p.caption and "acquired, interpolated and super-resolved" in p.alt for p in listed)
    assert list(drawn(has_tensor=False)[0]) == ["b0", "DWI, b = 1000"]


def test_what_the_network_added_is_in_the_third_panel_alone(drawn):
    detail = np.full((48, 44, 4), 400, np.float32)
    (same, _), (other, _) = drawn(), drawn(detail)
    for row, row_with in zip(columns(same["b0"]), columns(other["b0"]), strict=True):
        changed = [np.any(a != b) for a, b in zip(row, row_with, strict=True)]
        assert changed == [False, False, True]


@pytest.mark.parametrize("n", [64, 96, 128, 192, 256])
@pytest.mark.parametrize("factor", [2, 3])
def test_the_detail_fills_its_panel(n, factor):
    """Its magnification is a whole number, so its region is chosen to fit: no black beside it."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    sample = SimpleNamespace(factor=factor, box=Box((0, n), (0, n)))
    shown = SimpleNamespace(sample=sample, view=slice_view(affine / factor, 2))
    for side in (17, 20, 25):
        middle = Box((n // 3, n // 3 + side), (n - side, n))
        frame = side_by_side._Frame(
            shown, np.ones((n, n), bool), affine, 2, "", ("", ""), middle
        ).with_full_detail()
        assert min(frame.size(frame.detail, frame.side)) > 0.9 * frame.side
        assert frame.detail.b[1] <= n and frame.detail.a[0] < n // 3 + side / 2 < frame.detail.a[1]


def test_without_detail_interpolation_and_output_are_alike(drawn):
    _, (_, sinc, sr) = columns(drawn()[0]["b0"])
    assert np.array_equal(sinc, sr)


def test_acquired_voxels_are_twice_as_wide(drawn):
    _, (acquired, _, sr) = columns(drawn()[0]["b0"])
    row = acquired.shape[0] // 2 + 3
    jumps = [np.count_nonzero(np.diff(p[row, :, 0])) for p in (acquired, sr)]
    assert jumps[1] > 1.5 * jumps[0] > 0


def test_the_brain_mask_is_outlined_on_input_and_output(drawn):
    (acquired, sinc, sr), lower = columns(drawn()[0]["b0"])
    orange = [np.all(p == OUTLINE, axis=-1).sum() for p in (acquired, sinc, sr, *lower)]
    assert orange[0] > 50 and orange[2] > 50
    assert orange[1] == 0 and not any(orange[3:])


def test_a_mask_without_a_voxel_is_no_reason_to_fail(drawn):
    assert len(drawn(mask=np.zeros((48, 44, 4), np.uint8))[0]) == 5


@pytest.mark.parametrize("codes", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_lines_point_where_the_letters_say(codes, axis):
    """A direction along the world's first in-plane axis lies across or along the picture."""
    affine = np.diag([*(2.0 * sign for sign in codes), 1.0])
    view = slice_view(affine, axis)
    in_plane = [a for a in range(3) if a != axis]
    for world in in_plane:
        along = np.zeros(3)
        along[world] = 1.0  # towards R, A or S
        lines = np.tile((along * codes)[in_plane], (5, 4, 1))
        right, down = in_picture(lines, view)
        letter = "RAS"[world]
        wanted = {view.right: (1, 0), view.left: (-1, 0), view.top: (0, -1), view.bottom: (0, 1)}
        assert (right[0, 0], down[0, 0]) == wanted[letter]


def test_sticks_are_drawn_in_their_voxel_along_their_direction():
    right, down = np.zeros((3, 3)), np.zeros((3, 3))
    right[1, 1] = 1.0
    drawn = with_sticks(np.zeros((3, 3, 3), np.uint8), right, down, (2.0, 2.0), (90, 90))
    rows, across = np.nonzero(drawn.any(axis=-1))
    assert rows.min() >= 43 and rows.max() <= 47
    assert across.min() >= 30 and across.max() < 60 and np.ptp(across) > 20


def test_slices_of_many_volumes_do_not_keep_the_volumes(tmp_path):
    write_image(tmp_path / "dwi.nii", np.zeros((8, 9, 10, 3), np.float32), np.eye(4))
    with DwiReader(tmp_path / "dwi.nii") as reader:
        for axis in range(3):
            assert side_by_side._slice(reader, 1, axis, 4).base is None
