"""The pictures of a run: honest pairs, true differences, a complete list."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps
from bids_sr.images.nifti import write_image
from bids_sr.report.figures import make_figures, plane_name
from bids_sr.report.index import read_index


def read(folder, name):
    return np.asarray(Image.open(folder / name).convert("RGB")).astype(int)


def drawn(sr, names, has_tensor=False):
    return read_index(make_figures(sr, names, mask=names.mask, has_tensor=has_tensor))


def titled(index, section, title):
    return next(p for p in index.pictures if p.section == section and p.title == title)


def test_all_pictures_are_there(scan, maps):
    sr, names = scan()
    maps(sr, names)
    index = drawn(sr, names, has_tensor=True)
    assert index.lost == ()
    assert index.model["name"] == "tiny"
    assert list(dict.fromkeys(p.section for p in index.pictures)) == [
        "Side by side",
        "b = 0",
        "b = 1000 s/mm²",
        "Diffusion tensor",
    ]
    for picture in index.pictures:
        assert picture.alt and picture.caption
        for name in picture.files:
            with Image.open(names.figures_dir / name) as image:
                assert image.size == (picture.width, picture.height)
    names_used = [name for picture in index.pictures for name in picture.files]
    assert len(set(names_used)) == len(names_used)
    assert all(name.startswith("sub-01_res-x2_desc-") for name in names_used)


def test_equal_images_give_equal_pictures_and_no_change(scan):
    sr, names = scan()
    index = drawn(sr, names)
    pair = titled(index, "b = 0", "Interpolated and super-resolved")
    assert np.array_equal(*(read(names.figures_dir, name) for name in pair.files))
    assert "added detail of 0 %" in titled(index, "Side by side", "b0 side by side").caption


def test_a_bright_voxel_lights_up_at_one_place_only(scan):
    detail = np.zeros((48, 44, 4), np.float32)
    detail[20, 21] = 4000
    sr, names = scan(detail)
    pair = titled(drawn(sr, names), "b = 0", "Interpolated and super-resolved")
    before, after = (read(names.figures_dir, name) for name in pair.files)
    rows, columns = np.nonzero(np.any(before != after, axis=-1))
    left, right = columns[columns < before.shape[1] / 2], columns[columns > before.shape[1] / 2]
    assert np.array_equal(np.unique(left) - left.min(), np.unique(right) - right.min())
    times = round(400 / 32)  # the cut-out is 32 output voxels wide
    assert rows.max() - rows.min() < 2 * times
    assert left.max() - left.min() < 2 * times


def test_the_window_is_that_of_the_interpolation(scan):
    """A network that brightens everything must not look like one that does not."""
    sr, names = scan(np.full((48, 44, 4), 500, np.float32))
    pair = titled(drawn(sr, names), "b = 0", "Interpolated and super-resolved")
    before, after = (read(names.figures_dir, name) for name in pair.files)
    assert after.mean() > before.mean() + 10


def test_what_was_added_and_what_was_changed_is_one_number_each(scan):
    """A brighter image changes what was measured; a checkerboard of its own voxels does not."""
    told = []
    board = np.indices((48, 44, 4))[:2].sum(axis=0) % 2 * 200.0 - 100
    for detail in (np.full((48, 44, 4), 100.0), board):
        sr, names = scan(detail.astype(np.float32))
        caption = titled(drawn(sr, names), "Side by side", "b0 side by side").caption
        told.append([float(number) for number in re.findall(r"([\d.e-]+) %", caption)])
    (added, changed), (board_added, board_changed) = told
    assert added == pytest.approx(changed, rel=0.05)
    assert board_added == pytest.approx(added, rel=0.05) and board_changed < 0.01 * board_added


def test_missing_maps_are_left_out(scan):
    sr, names = scan()
    index = drawn(sr, names, has_tensor=True)
    assert all(p.section != "Diffusion tensor" for p in index.pictures)


def test_input_maps_are_enlarged_without_interpolation(scan, maps):
    sr, names = scan()
    maps(sr, names, fa=1.0)
    pair = titled(drawn(sr, names, has_tensor=True), "Diffusion tensor", "Fractional anisotropy")
    before, after = (read(names.figures_dir, name) for name in pair.files)
    assert before.shape == after.shape
    row = before.shape[0] // 2 + 7
    jumps = [np.count_nonzero(np.diff(p[row, 40 : p.shape[1] // 2, 0])) for p in (before, after)]
    assert jumps[1] > 1.5 * jumps[0]  # half as many voxels in the input


def test_plane_is_named(scan):
    sr, _ = scan()
    assert plane_name(sr.grid) == "axial"


@pytest.mark.parametrize(
    "damage",
    [
        {"before": "../secret.png"},
        {"before": "https://example.org/a.png"},
        {"before": "/etc/hostname"},
        {"before": "missing.png"},
        {"kind": "script"},
        {"width": "1;}"},
    ],
)
def test_a_list_can_only_name_pictures_beside_it(tmp_path, damage):
    for name in ("a.png", "b.png"):
        (tmp_path / "figures" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "figures" / name).write_bytes(b"")
    (tmp_path / "secret.png").write_bytes(b"")
    texts = dict.fromkeys(("section", "title", "alt", "caption"), "text")
    whole = {"kind": "compare", "width": 2, "height": 2, "before": "a.png", "after": "b.png"}
    path = tmp_path / "figures" / "index.json"
    path.write_text(json.dumps({"figures": [texts | whole, texts | whole | damage], "model": {}}))
    index = read_index(path)
    assert len(index.pictures) == 1
    assert len(index.lost) == 1


@pytest.mark.parametrize("text", ["", "[]", "{", '{"figures": 3, "model": []}', "null"])
def test_damaged_lists_are_told_not_raised(tmp_path, text):
    path = tmp_path / "index.json"
    path.write_text(text)
    index = read_index(path)
    assert index.pictures == ()
    assert index.model == {}


def test_no_list_is_told(tmp_path):
    assert "No pictures" in read_index(tmp_path / "none.json").lost[0]


def test_spread_of_the_copies_is_drawn_where_there_is_one(scan, maps):
    sr, names = scan()
    maps(sr, names)
    shape, affine = sr.grid.high_resolution
    sd = np.zeros((*shape, 17), np.float32)
    sd[20, 21] = 0.05
    write_image(names.dwi_sd, sd, affine)
    write_image(names.fa_sd, sd[..., 0], affine)
    ensemble_sd = EnsembleSdMaps(names.dwi_sd, names.fa_sd)
    index = read_index(
        make_figures(sr, names, mask=names.mask, has_tensor=True, ensemble_sd=ensemble_sd)
    )
    (picture,) = [p for p in index.pictures if p.section == "Uncertainty"]
    drawing = read(names.figures_dir, picture.image)
    assert drawing.shape[:2] == (picture.height, picture.width)
    assert (drawing == drawing[..., :1]).all(), "grey"
    assert "not a confidence interval" in picture.caption and "sd of FA: 0 to" in picture.caption
