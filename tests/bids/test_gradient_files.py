"""Gradient tables as they are written: in FSL's form, whatever the form of the input."""

from __future__ import annotations

import shutil
import subprocess

import nibabel as nib
import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.io.gradients import read_bvals_bvecs

from bids_sr.bids.gradient_files import read_rows, write_gradients
from bids_sr.bids.gradients import GradientTable, read_gradients
from bids_sr.errors import InputError, OutputError

BVALS = np.array([0, 5, 1000, 995.5, 2000, 2000, 2000.0])
VECTORS = np.random.default_rng(3).normal(size=(7, 3))
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
VECTORS[0] = 0


def text(rows, separator=" ", end="\n"):
    return end.join(separator.join(repr(float(v)) for v in row) for row in rows) + end


def rows_of(scale=1.0):
    return VECTORS.T * scale


SPELLINGS = {
    "fsl": (text([BVALS]), text(rows_of())),
    "columns": (text(BVALS[:, None]), text(VECTORS)),
    "commas": (text([BVALS], ", "), text(rows_of(), ",")),
    "mark": ("\ufeff" + text([BVALS]), "\ufeff" + text(rows_of())),
    "crlf": (text([BVALS], end="\r\n"), text(rows_of(), "\t", "\r\n")),
    "short": (text([BVALS]), text(rows_of(0.92))),
    "nan": (text([BVALS]), text(rows_of()).replace("0.0 ", "nan ")),
    "blank lines": ("\n" + text([BVALS]) + "\n\n", text(rows_of()) + "\n"),
    "one value a line": (text(BVALS[:, None]), text(rows_of())),
}


@pytest.fixture
def rewrite(tmp_path):
    """Read what was spelt somehow and write it; returns the table and the new files."""

    def do(bvals, bvecs, volumes=7, encoding="utf-8"):
        source = tmp_path / "a.bval", tmp_path / "a.bvec"
        for path, content in zip(source, (bvals, bvecs), strict=True):
            path.write_bytes(content.encode(encoding))
        table = read_gradients(*source, volumes)
        made = tmp_path / "b.bval", tmp_path / "b.bvec"
        write_gradients(table, *made)
        return table, *made

    return do


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_other_programs_read_what_the_fit_used(rewrite, spelling):
    table, bval, bvec = rewrite(*SPELLINGS[spelling])
    np.testing.assert_array_equal(np.loadtxt(bval), BVALS)
    np.testing.assert_array_equal(np.loadtxt(bvec), table.bvecs.T)
    np.testing.assert_allclose(table.bvecs, VECTORS, atol=1e-15)
    bvals, bvecs = read_bvals_bvecs(str(bval), str(bvec))
    dipys = gradient_table(bvals, bvecs=bvecs)
    np.testing.assert_array_equal(dipys.bvals, BVALS)
    np.testing.assert_allclose(dipys.bvecs, table.bvecs, atol=1e-15)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_form_is_fsls(rewrite, spelling):
    _, bval, bvec = rewrite(*SPELLINGS[spelling])
    assert bval.read_bytes() == b"0 5 1000 995.5 2000 2000 2000\n"
    lines = bvec.read_bytes().decode("ascii").splitlines()
    assert [len(line.split(" ")) for line in lines] == [7, 7, 7]
    lengths = np.linalg.norm(np.loadtxt(bvec), axis=0)
    np.testing.assert_allclose(lengths, [0, 1, 1, 1, 1, 1, 1], atol=1e-15)


def test_a_written_table_is_read_again_bit_for_bit(rewrite, tmp_path):
    table, *made = rewrite(*SPELLINGS["short"])
    again = read_gradients(*made, 7)
    assert again == table and not again.warnings
    write_gradients(again, tmp_path / "c.bval", tmp_path / "c.bvec")
    assert (tmp_path / "c.bvec").read_bytes() == made[1].read_bytes()


def test_of_windows(rewrite):
    table, bval, _ = rewrite(*SPELLINGS["crlf"], encoding="utf-16")
    assert table.n_volumes == 7
    np.testing.assert_array_equal(np.loadtxt(bval), BVALS)


def test_a_vector_at_b0_has_length_one_or_none(rewrite):
    _, _, bvec = rewrite("0 5 1000\n", "nan 0.3 1\n0 0 0\n0 0 0\n", 3)
    assert bvec.read_text() == "0 1 1\n0 0 0\n0 0 0\n"


def test_minus_zero_is_zero(tmp_path):
    write_gradients(GradientTable([-0.0], [[-0.0, 0, 0]]), tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_text() == "0\n" and (tmp_path / "b").read_text() == "0\n0\n0\n"


def test_where_it_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_gradients(GradientTable([0], [[0, 0, 0]]), tmp_path / "file/a", tmp_path / "b")


@pytest.mark.parametrize("content", ["1_000", "٣", "0x10 words", "1 2 three"])
def test_what_is_no_number(tmp_path, content):
    (tmp_path / "a").write_text(content)
    with pytest.raises(InputError, match="not a table of numbers"):
        read_rows(tmp_path / "a")


@pytest.mark.skipif(shutil.which("mrinfo") is None, reason="MRtrix3 is not installed")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_mrtrix_reads_the_same(rewrite, tmp_path, spelling):
    table, bval, bvec = rewrite(*SPELLINGS[spelling])
    # stored left-handed, so that MRtrix3's frame, the scanner's, is the voxels' but for the sign
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 7), np.float32), np.diag([-2, 2, 2, 1]))
    image.to_filename(tmp_path / "a.nii")
    told = subprocess.run(
        ["mrinfo", "-quiet", "-dwgrad", "-fslgrad", bvec, bval, tmp_path / "a.nii"],
        check=True,
        capture_output=True,
        text=True,
    )
    theirs = np.array([line.split() for line in told.stdout.splitlines()], float)
    np.testing.assert_allclose(theirs[:, 3], table.bvals, rtol=1e-5)
    expected = table.bvecs * [-1, 1, 1]
    expected[1] = VECTORS[1] * [-1, 1, 1]
    np.testing.assert_allclose(theirs[:, :3], expected, atol=1e-5)
