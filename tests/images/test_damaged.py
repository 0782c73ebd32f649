"""Whatever is wrong with an image, it is one clear error that names the file."""

from __future__ import annotations

import gzip
import logging

import nibabel as nib
import numpy as np
import pytest

from bids_sr.errors import InputError
from bids_sr.images.nifti import DwiReader, load_volume


def failure(path):
    """Open and read everything; return the error."""
    with pytest.raises(InputError) as caught, DwiReader(path) as reader:
        for index in range(reader.shape[3]):
            reader.volume(index)
    error = caught.value
    assert error.file == str(path)
    assert error.problem.endswith(".")
    assert error.remedy
    assert "\n" not in str(error)
    return error


@pytest.fixture
def gz(write_nifti, series):
    return write_nifti(series)


@pytest.mark.parametrize("keep", [1, 5, 17, 60, 200])
def test_cut_in_the_header(gz, keep):
    gz.write_bytes(gz.read_bytes()[:keep])
    failure(gz)


@pytest.mark.parametrize("cut", [1, 4, 7, 8, 9, 12, 30, 1000, 5000])
def test_cut_near_the_end(gz, cut):
    whole = gz.read_bytes()
    assert len(whole) > 7000
    gz.write_bytes(whole[:-cut])
    assert "truncated" in failure(gz).problem


@pytest.mark.parametrize("cut", [1, 8, 9, 30, 5000])
@pytest.mark.parametrize(
    "read",
    [
        lambda reader: reader.volume(0),
        lambda reader: reader.volume(3),
        lambda reader: reader.check(),
    ],
)
def test_a_cut_shows_at_the_first_reading(gz, cut, read):
    gz.write_bytes(gz.read_bytes()[:-cut])
    with pytest.raises(InputError, match="truncated"), DwiReader(gz) as reader:
        read(reader)


@pytest.mark.parametrize("cut", [1, 3000, 10_000])
def test_cut_uncompressed(write_nifti, series, cut):
    path = write_nifti(series, "a.nii")
    path.write_bytes(path.read_bytes()[:-cut])
    assert "is truncated: it holds" in failure(path).problem


@pytest.mark.parametrize("back", [2, 6, 10, 14, 40, 4000])
@pytest.mark.parametrize("bit", [0, 3, 7])
def test_flipped_bit(gz, series, back, bit):
    raw = bytearray(gz.read_bytes())
    raw[-back] ^= 1 << bit
    gz.write_bytes(raw)
    failure(gz)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("content", [b"", b"hello " * 300, bytes(5000), b"\x1f\x8b" + b"a" * 999])
def test_not_an_image(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    failure(path)


def test_gzip_of_something_else(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(b"hello " * 3000))
    assert "not a NIfTI" in failure(path).problem


def test_other_image_format(tmp_path, series):
    path = tmp_path / "a.mgh"
    nib.MGHImage(series.astype(np.float32), np.eye(4)).to_filename(path)
    assert "no NIfTI header" in failure(path).problem


def test_missing_folder_and_broken_link(tmp_path):
    assert "does not exist" in failure(tmp_path / "none.nii.gz").problem
    assert "not a file" in failure(tmp_path).problem
    link = tmp_path / "annexed.nii.gz"
    link.symlink_to(tmp_path / "nowhere")
    assert "DataLad" in failure(link).remedy


def test_three_dimensions(write_nifti, series):
    error = failure(write_nifti(series[..., 0]))
    assert "is a 3D image of 13x11x7 voxels" in error.problem


def test_five_dimensions(write_nifti):
    error = failure(write_nifti(np.zeros((4, 4, 4, 1, 6), np.int16)))
    assert "is a 5D image of 4x4x4x1x6" in error.problem


def test_colours(write_nifti):
    rgb = np.zeros((4, 4, 4, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    path = write_nifti(rgb)
    assert "colours" in failure(path).problem
    with pytest.raises(InputError, match="colours"):
        load_volume(path)


def test_complex(write_nifti):
    assert "complex" in failure(write_nifti(np.zeros((4, 4, 4, 2), np.complex64))).problem


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(write_nifti, series, name, bad):
    data = series.astype(np.float32)
    data[3, 4, 5, 2] = data[1, 1, 1, 2] = bad
    path = write_nifti(data, name)
    wanted = np.where(np.isfinite(data), data, 0)
    with DwiReader(path) as reader:
        for index in range(reader.shape[3]):
            np.testing.assert_array_equal(reader.volume(index), wanted[..., index])
        assert reader.nonfinite == {2: 2}
        with pytest.raises(InputError, match=r"volume 2 .* in 2 voxels"):
            reader.check()


def test_no_finite_voxel_in_a_volume(write_nifti, series):
    data = series.astype(np.float32)
    data[..., 1] = np.nan
    problem = failure(write_nifti(data)).problem
    assert "volume 1 (counted from 0) is NaN or infinite everywhere" in problem


def test_too_large_for_float32(write_nifti):
    data = np.ones((3, 3, 3, 2))
    data[0, 0, 0, 1] = 1e300
    assert "beyond the range of float32" in failure(write_nifti(data)).problem


@pytest.mark.parametrize("broken", ["zero", "nan"])
def test_affine_without_inverse(write_nifti, series, broken):
    affine = np.diag([2.0, 2, 0, 1]) if broken == "zero" else np.diag([2.0, 2, np.nan, 1])

    def edit(header):
        header.set_qform(None, 0)
        header["sform_code"] = 1
        header["srow_x"], header["srow_y"], header["srow_z"] = affine[:3]

    path = write_nifti(series, "a.nii", affine=None, edit=edit)
    raw = bytearray(path.read_bytes())
    raw[280:328] = affine[:3].astype("<f4").tobytes()
    path.write_bytes(raw)
    assert "affine" in failure(path).problem


def test_random_header_bytes_never_crash(write_nifti, series):
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)
    path = write_nifti(series, "a.nii")
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        raw = bytearray(whole)
        for place in generator.choice([*range(40, 56), *range(70, 124), *range(252, 348)], 3):
            raw[place] = generator.integers(256)
        path.write_bytes(raw)
        try:
            with DwiReader(path) as reader:
                reader.volume(0)
        except InputError:
            refused += 1
    assert refused > 10
