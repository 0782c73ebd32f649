"""Header fields that nibabel reads without a word, and that may not be meant."""

from __future__ import annotations

import gzip

import attrs
import nibabel as nib
import numpy as np
import pytest

from bids_sr.errors import InputError
from bids_sr.images.nifti import DwiReader
from bids_sr.images.runs import open_run

DATA = np.arange(4 * 5 * 6 * 3, dtype=np.int16).reshape(4, 5, 6, 3)


@pytest.fixture(params=["a.nii", "a.nii.gz"])
def write(request, tmp_path):
    """Write an image whose header was edited as it stands, byte for byte."""

    def do(edit, of=nib.Nifti1Image, more=b"", data=DATA):
        image = of(data, np.diag([2, 2, 3, 1]))
        image.header.set_qform(image.affine, 1)
        raw = bytearray(image.to_bytes())
        kind = type(image.header)
        header = kind(bytes(raw[: kind.sizeof_hdr]), check=False)
        edit(header)
        raw[: kind.sizeof_hdr] = header.binaryblock
        path = tmp_path / request.param
        content = bytes(raw) + more
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return do


def put(**fields):
    def edit(header):
        for name, value in fields.items():
            header[name] = value

    return edit


def warnings(path):
    with DwiReader(path) as reader:
        return reader.warnings


def test_nothing_is_told_of_a_plain_header(write):
    path = write(put())
    assert warnings(path) == ()
    with DwiReader(path) as reader:
        np.testing.assert_array_equal(reader.volume(2), DATA[..., 2])


@pytest.mark.parametrize("magic", [b"n+1", b"ni1"])  # ni1: a pair's, under the name of one file
def test_header_of_a_pair(write, magic):
    with pytest.raises(InputError, match="inside its own header"):
        DwiReader(write(put(vox_offset=0, magic=magic)))


@pytest.mark.parametrize("of", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxels_are_never_read_out_of_the_header(write, of):
    path = write(put(vox_offset=0), of)
    with pytest.raises(
        InputError, match=r"begin at byte 0 \(vox_offset\), inside its own"
    ) as caught:
        DwiReader(path)
    least = {nib.Nifti1Image: "352", nib.Nifti2Image: "544"}[of]
    assert f"vox_offset {least}" in caught.value.remedy


def test_the_door_refuses_it_as_well(write, make_run, tmp_path):
    run = make_run(tmp_path)
    path = write(put(vox_offset=0))
    with pytest.raises(InputError, match="inside its own header"):
        open_run(attrs.evolve(run.files, dwi=path))


@pytest.mark.parametrize("offset", [16, 351, -352, np.nan, np.inf, 1e9])
def test_offsets_that_cannot_be(write, offset):
    with pytest.raises(InputError), DwiReader(write(put(vox_offset=offset))) as reader:
        reader.volume(0)


def test_an_offset_that_is_no_multiple_of_16_is_obeyed(write):
    image = nib.Nifti1Image(DATA, np.eye(4))
    raw = image.to_bytes()
    path = write(put())
    header = nib.Nifti1Header(raw[:348], check=False)
    header["vox_offset"] = 357
    content = header.binaryblock + bytes(9) + raw[352:]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    with DwiReader(path) as reader:
        np.testing.assert_array_equal(reader.volume(1), DATA[..., 1])


@pytest.mark.parametrize("qfac", [0, 2, np.nan])
def test_qfac_is_guessed(write, qfac):
    pixdim = [qfac, 2, 2, 3, 1, 1, 1, 1]
    (said,) = warnings(write(put(sform_code=0, pixdim=pixdim)))
    assert "its qfac (pixdim[0]) is" in said and "left and right swapped: check it" in said


@pytest.mark.parametrize("fields", [{"sform_code": 1}, {"sform_code": 0, "qform_code": 0}])
def test_qfac_does_not_matter_where_the_qform_is_not_used(write, fields):
    said = warnings(write(put(pixdim=[0, 2, 2, 3, 1, 1, 1, 1], **fields)))
    assert not any("qfac" in warning for warning in said)


@pytest.mark.parametrize("code", [1, -1])
def test_qfac_as_it_should_be(write, code):
    assert not warnings(write(put(sform_code=0, pixdim=[code, 2, 2, 3, 1, 1, 1, 1])))


def test_sides_that_are_guessed(write):
    said = warnings(write(put(sform_code=0, pixdim=[1, 0, 2, -3, 1, 1, 1, 1])))
    assert "The header gives voxels of 0x2x-3 mm; 1x2x3 mm is assumed: check it." in said


def test_a_code_that_means_nothing(write):
    said = warnings(write(put(sform_code=9)))
    assert "The header's sform_code is 9, which is not valid: its sform is not used." in said


def test_bytes_left_over(write):
    (said,) = warnings(write(put(), more=bytes(2000)))
    assert "holds 2000 more bytes, which are ignored" in said
    assert not warnings(write(put(), more=bytes(160)))


def test_a_slope_that_is_no_number(write):
    (said,) = warnings(write(put(scl_slope=np.nan, scl_inter=5)))
    assert "scl_slope is nan, scl_inter 5: voxels are not scaled" in said
    assert not warnings(write(put(scl_slope=np.nan, scl_inter=0)))
    assert not warnings(write(put(scl_slope=0, scl_inter=0)))


def test_a_fifth_axis_of_one(make_run, tmp_path):
    run = make_run(tmp_path)
    old = nib.load(run.files.dwi)
    data = np.asanyarray(old.dataobj)[..., None]
    nib.Nifti1Image(data, old.affine).to_filename(run.files.dwi)
    assert nib.load(run.files.dwi).ndim == 5
    assert open_run(run.files).shape == run.shape
    with DwiReader(run.files.dwi) as reader:
        assert reader.shape == run.shape
