"""Voxels arrive in the file as they are, and two files lie on each other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bids_sr.errors import OutputError
from bids_sr.report.drawing import Layout, Panel, draw, panel_size
from bids_sr.report.raster import (
    direction_disc,
    enlarge,
    gray,
    window_top,
    with_frame,
    with_outline,
)


@pytest.fixture
def noise():
    generator = np.random.default_rng(1)
    return gray(generator.uniform(0, 100, (12, 10)), 100)


def read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_every_voxel_is_exactly_there(tmp_path, noise):
    high, wide = 48, 40
    size = draw(tmp_path / "a.png", [[Panel(noise), Panel(noise)]], Layout((high, wide)))
    picture = read(tmp_path / "a.png")
    assert picture.shape == (size[1], size[0], 3)
    wanted = noise.repeat(4, axis=0).repeat(4, axis=1)
    places = [
        (row, column)
        for row in range(picture.shape[0] - high + 1)
        for column in range(picture.shape[1] - wide + 1)
        if np.array_equal(picture[row, column], wanted[0, 0])
        and np.array_equal(picture[row : row + high, column : column + wide], wanted)
    ]
    assert len(places) == 2
    assert places[0][0] == places[1][0]


def test_titles_and_letters_do_not_move_the_picture(tmp_path, noise):
    plain, marked = Panel(noise), Panel(noise, "b = $0$ <x>", ("L", "R", "A", "P"))
    sizes = {
        draw(tmp_path / f"{i}.png", [[p]], Layout((240, 200)))
        for i, p in enumerate((plain, marked))
    }
    assert len(sizes) == 1
    without, with_letters = read(tmp_path / "0.png"), read(tmp_path / "1.png")
    changed = np.any(without != with_letters, axis=-1)
    assert changed.any()
    assert not changed[100:140, 80:120].any()  # the middle of the picture


def test_gray_pictures_are_stored_as_gray(tmp_path, noise):
    draw(tmp_path / "gray.png", [[Panel(noise, "title")]], Layout((24, 20)))
    draw(tmp_path / "colour.png", [[Panel(direction_disc(4, 0, 1))]], Layout((24, 24)))
    for name, mode in (("gray", "L"), ("colour", "RGB")):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.mode == mode


def test_square_voxels_stay_square_and_others_keep_their_shape():
    assert panel_size((100, 50), (2.0, 2.0), 100) == (200, 100)
    high, wide = panel_size((100, 50), (3.0, 2.0), 100)
    assert high / 100 == pytest.approx(1.5 * wide / 50)


def test_enlarging_gives_equal_voxels():
    small = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(enlarge(small, 6, 4), small.repeat(3, axis=0).repeat(2, axis=1))


def test_gray_is_linear_and_clipped():
    values = np.array([[-1.0, 0, 50, 100, 200, np.nan]])
    assert gray(values, 100)[0, :, 0].tolist() == [0, 0, 128, 255, 255, 0]


@pytest.mark.parametrize(("across", "up"), [(0, 1), (1, 2), (0, 2)])
def test_directions_have_their_colours_on_the_disc(across, up):
    disc = direction_disc(61, across, up)
    for spot, axis in (((30, 30), 3 - across - up), ((30, 1), across), ((1, 30), up)):
        assert disc[spot].argmax() == axis and disc[spot].max() > 240
    assert not disc[0, 0].any()


def test_the_outline_is_the_inner_rim_of_the_mask():
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    drawn = with_outline(np.zeros((20, 20, 3), np.uint8), mask).any(axis=-1)
    inner = np.zeros_like(mask)
    inner[6:14, 6:14] = True
    assert np.array_equal(drawn, mask & ~inner)


def test_the_frame_leaves_what_it_frames():
    picture = np.zeros((20, 30, 3), np.uint8)
    framed = with_frame(picture, (4, 14), (6, 26))
    assert framed[4, 6:26].all() and framed[4:14, 25].all()
    assert not framed[6:12, 8:24].any() and not framed[:4].any() and not framed[:, 26:].any()
    assert not picture.any()


def test_window_of_an_image_without_signal():
    assert window_top(np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), bool)) == 1.0


def test_a_folder_that_cannot_be_made_is_told(tmp_path, noise):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        draw(tmp_path / "file" / "a.png", [[Panel(noise)]], Layout((12, 10)))
