"""What is made of directions that are no unit vectors."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.gradient_files import write_gradients
from bids_sr.bids.gradients import read_gradients
from bids_sr.errors import InputError

UNITS = np.random.default_rng(5).normal(size=(13, 3))
UNITS /= np.linalg.norm(UNITS, axis=1, keepdims=True)
UNITS[0] = 0


def read(folder, bvals, lengths, digits=17):
    bvals = np.asarray(bvals, float)
    vectors = UNITS[: bvals.size] * np.asarray(lengths, float)[:, None]
    np.savetxt(folder / "a.bval", bvals[None], fmt="%g")
    np.savetxt(folder / "a.bvec", vectors.T, fmt=f"%.{digits}g")
    return read_gradients(folder / "a.bval", folder / "a.bvec", bvals.size)


THIRDS = [1, *np.sqrt([1 / 3] * 4 + [2 / 3] * 4 + [1] * 4)]


def test_lengths_that_tell_shells_apart_scale_b(tmp_path):
    table = read(tmp_path, [0] + [3000] * 12, THIRDS)
    np.testing.assert_allclose(table.bvals, [0] + [1000] * 4 + [2000] * 4 + [3000] * 4)
    np.testing.assert_allclose(table.bvecs, UNITS, atol=1e-15)
    assert [shell.bval for shell in table.shells] == [1000, 2000, 3000]
    (said,) = table.warnings
    assert said == (
        "The directions have lengths of 0.577 to 1: the b-values were multiplied by their squares"
        " (3000 became 1000 to 3000), the directions normalized."
    )


def test_vectors_longer_than_one_scale_b_up(tmp_path):
    table = read(tmp_path, [0] + [1000] * 12, np.multiply(THIRDS, np.sqrt(3)))
    np.testing.assert_allclose(table.bvals, [0] + [1000] * 4 + [2000] * 4 + [3000] * 4)


def test_no_direction_at_the_nominal_b_is_b0_there(tmp_path):
    table = read(tmp_path, [3000] * 13, [0, *THIRDS[1:]])
    assert table.bvals[0] == 0 and table.is_b0.tolist() == [True] + [False] * 12
    assert table.warnings[0].endswith(
        " 1 volumes of b = 3000 have no direction and count as b = 0."
    )


def test_a_shell_close_to_one_is_scaled_with_the_others(tmp_path):
    table = read(tmp_path, [0] + [3000] * 12, [1] + [0.5] * 6 + [0.95] * 6)
    np.testing.assert_allclose(table.bvals, [0] + [750] * 6 + [2707.5] * 6)


def test_b_that_grows_with_the_lengths_already_stays(tmp_path):
    bvals = [0] + [1000] * 4 + [2000] * 4 + [3000] * 4
    table = read(tmp_path, bvals, THIRDS)
    np.testing.assert_array_equal(table.bvals, bvals)
    np.testing.assert_allclose(table.bvecs, UNITS, atol=1e-15)
    assert "the b-values grow with their squares: b-values are kept" in table.warnings[0]


@pytest.mark.parametrize("length", [0.92, 0.98, 1.07])
def test_a_common_length_near_one_means_nothing(tmp_path, length):
    table = read(tmp_path, [0] + [1000] * 12, [1] + [length] * 12)
    np.testing.assert_array_equal(table.bvals, [0] + [1000] * 12)
    np.testing.assert_allclose(table.bvecs, UNITS, atol=1e-15)
    assert table.warnings[0].startswith(
        f"The directions have lengths of {length:g}; they are normalized"
    )


def test_components_with_one_decimal(tmp_path):
    np.savetxt(tmp_path / "a.bvec", UNITS.T, fmt="%.1f")
    np.savetxt(tmp_path / "a.bval", [[0] + [1000] * 12], fmt="%g")
    table = read_gradients(tmp_path / "a.bval", tmp_path / "a.bvec", 13)
    np.testing.assert_array_equal(table.bvals, [0] + [1000] * 12)
    assert len(table.warnings) == 1


@pytest.mark.parametrize("digits", [3, 4, 8])
def test_rounding_is_not_worth_a_word(tmp_path, digits):
    table = read(tmp_path, [0] + [1000] * 12, [1] * 13, digits)
    assert not table.warnings
    np.testing.assert_allclose(np.linalg.norm(table.bvecs[1:], axis=1), 1, atol=1e-15)


@pytest.mark.parametrize(
    "lengths",
    [
        [1] + [3] * 12,  # all alike: nothing tells whether b is meant for them
        [1] + [0.5] * 12,
        [1, 0.5] + [1] * 11,  # one alone is a slip
    ],
)
def test_lengths_that_say_nothing_are_refused(tmp_path, lengths):
    with pytest.raises(InputError, match="the direction of volume 1 has length") as caught:
        read(tmp_path, [0] + [1000] * 12, lengths)
    assert str(caught.value).startswith(str(tmp_path / "a.bvec"))


def test_lengths_that_fit_no_rule_are_refused(tmp_path):
    with pytest.raises(InputError, match="has length"):
        read(tmp_path, [0] + [1000] * 6 + [2000] * 6, [1] + [1] * 6 + [0.6] * 6)


@pytest.mark.skipif(shutil.which("mrinfo") is None, reason="MRtrix3 is not installed")
def test_mrtrix_scales_alike(tmp_path):
    table = read(tmp_path, [0] + [3000] * 12, THIRDS)
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 13), np.float32), np.diag([-2, 2, 2, 1]))
    image.to_filename(tmp_path / "a.nii")
    write_gradients(table, tmp_path / "b.bval", tmp_path / "b.bvec")
    of_input, of_output = (
        mrtrix_table(tmp_path / f"{name}.bvec", tmp_path / f"{name}.bval") for name in "ab"
    )
    np.testing.assert_allclose(of_output, of_input, atol=1e-3)
    np.testing.assert_allclose(of_output[:, 3], table.bvals, rtol=1e-5)


def mrtrix_table(bvec: Path, bval: Path) -> np.ndarray:
    command = ["mrinfo", "-quiet", "-dwgrad", "-fslgrad", bvec, bval, bvec.with_name("a.nii")]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    return np.array([line.split() for line in told.stdout.splitlines()], float)
