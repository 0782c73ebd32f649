"""Fibres with both tables: lines point where V1 points, seen as the letters say."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from bids_sr.bids.names import OutputNames
from bids_sr.diffusion.axis_permutations import signed_permutations
from bids_sr.diffusion.frames import world_directions
from bids_sr.diffusion.gradient_check import CheckedRun, GradientCheck
from bids_sr.report.gradient_figures import gradient_pictures, world_turn

FLIP = next(one for one in signed_permutations() if one.words == "x flipped")
AFFINES = {
    "LAS": np.diag([-2.0, 2.0, 2.0, 1.0]),
    "RAS": np.diag([2.0, 2.0, 2.0, 1.0]),
    "PSR": np.array([[0, 0, 2.7, 0], [-2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]]),
}


@pytest.fixture
def drawn(tmp_path, make_run):
    """A function that draws one V1 everywhere, with a fault; returns its three upper panels."""

    def draw(v1, affine, *, fixed=False, fault=FLIP):
        run = make_run(tmp_path)
        names = OutputNames(tmp_path / "out", run.files, 2)
        shape = (40, 40, 40)
        for param, values in (("fa", np.full(shape, 0.8)), ("v1", np.tile(v1, (*shape, 1)))):
            path = names.input_tensor(param)
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.Nifti1Image(values.astype(np.float32), affine).to_filename(path)
        check = GradientCheck("x flipped", 0.0, 0.2, 5.0, exchange=fault)
        pictures = gradient_pictures(names, CheckedRun(run, check, fixed=fixed))
        if not pictures:
            return names, None
        (picture,) = pictures
        with Image.open(names.report_file("gradients", "png")) as image:
            assert image.size == (picture.width, picture.height)
            found = np.asarray(image.convert("RGB")).astype(int)
        rows = np.array_split(found, 2)
        return picture, [np.array_split(row[60:-30], 3, axis=1) for row in rows]

    return draw


def slope(panel):
    """1 where lines rise to the right, -1 where they fall, 0 if they are level or upright."""
    middle = panel[150:-150, 150:-150]  # without letters
    white = middle.min(axis=-1) > 200
    rising = falling = 0
    for shift in (1, -1):
        moved = np.roll(np.roll(white, shift, axis=0), -shift, axis=1)
        rising += np.count_nonzero(white & moved)
        moved = np.roll(np.roll(white, shift, axis=0), shift, axis=1)
        falling += np.count_nonzero(white & moved)
    return 0 if min(rising, falling) > 0.8 * max(rising, falling) else np.sign(rising - falling)


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_lines_point_where_v1_points(drawn, affine):
    # to the right, to the front, to the head: rises to the right in all three views
    v1 = np.array([1.0, 1.0, 1.0]) / np.sqrt(3)
    _, (given, _) = drawn(v1, affine)
    assert [slope(panel) for panel in given] == [1, 1, 1]
    to_the_feet = np.array([1.0, 1.0, -1.0]) / np.sqrt(3)
    _, (given, _) = drawn(to_the_feet, affine)
    assert sorted(slope(panel) for panel in given) == [-1, -1, 1]


@pytest.mark.parametrize("affine", [AFFINES["LAS"], AFFINES["RAS"]], ids=["LAS", "RAS"])
def test_rows_are_the_table_as_it_came_and_the_corrected_one(drawn, affine):
    v1 = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    picture, (given, corrected) = drawn(v1, affine)
    assert (slope(given[0]), slope(corrected[0])) == (1, -1)
    assert "table as supplied" in picture.caption.split("was made with")[1]
    # where it was fixed, the maps are those of the corrected table
    picture, (given, corrected) = drawn(v1, affine, fixed=True)
    assert (slope(given[0]), slope(corrected[0])) == (-1, 1)
    assert "corrected table" in picture.caption.split("was made with")[1]


def test_nothing_is_drawn_where_nothing_is_wrong(drawn):
    names, pictures = drawn([1.0, 0, 0], AFFINES["LAS"], fault=None)
    assert pictures is None
    assert not names.report_file("gradients", "png").exists()


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_the_world_is_turned_as_the_table_is(affine):
    tilt = np.eye(4)
    tilt[:3, :3] = Rotation.from_rotvec([0.1, 0.2, 0.3]).as_matrix()
    affine, generator = tilt @ affine, np.random.default_rng(0)
    bvecs = generator.normal(size=(5, 3))
    for fault in signed_permutations():
        expected = world_directions(fault.undone(bvecs), affine)
        found = world_directions(bvecs, affine) @ world_turn(fault, affine).T
        assert np.allclose(found, expected)
