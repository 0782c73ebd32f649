"""One opener: what it says of a header, and that all who open an image say the same."""

from __future__ import annotations

import gzip
import pickle

import nibabel as nib
import numpy as np
import pytest
from attrs import evolve

from bids_sr.errors import InputError
from bids_sr.images.header import read_header
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.images.runs import open_run

AFFINE = np.array([[-2, 0, 0, 60], [0, 1.92, -0.7, -70], [0, 0.56, 2.4, -30], [0, 0, 0, 1.0]])


@pytest.fixture
def write(write_nifti):
    """A function that writes a series with a header that says a good deal."""

    def edit(header):
        header.set_qform(AFFINE, 1)
        header.set_sform(AFFINE, 4)
        header.set_xyzt_units("mm", "msec")
        header["pixdim"][4] = 3200
        header.set_dim_info(freq=0, phase=1, slice=2)
        header.set_slope_inter(0.5, -3)

    def do(shape=(5, 4, 3, 2), dtype=np.int16, name="a.nii.gz", **how):
        return write_nifti(np.ones(shape, dtype), name, affine=AFFINE, edit=edit, **how)

    return do


@pytest.mark.parametrize("image", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", ["<i2", "<f4", "u1"])
def test_what_a_header_says(write, image, name, dtype):
    path = write(dtype=dtype, name=name, image=image)
    meta = read_header(path)
    assert meta.path == path and meta.shape == meta.series_shape() == (5, 4, 3, 2)
    np.testing.assert_allclose(meta.affine, AFFINE, atol=1e-6)
    assert meta.zooms == pytest.approx((2, 2, 2.5))
    assert meta.dtype == dtype and meta.offset == (352 if image is nib.Nifti1Image else 544)
    assert (meta.slope, meta.intercept) == (0.5, -3)
    assert (meta.qform_code, meta.sform_code) == (1, 4)
    assert meta.encoding_axes == (0, 1, 2) and meta.repetition_time == pytest.approx(3.2)
    assert meta.volume_bytes == 60 * np.dtype(dtype).itemsize
    content = path.read_bytes()
    whole = gzip.decompress(content) if path.suffix == ".gz" else content
    assert meta.promised_bytes == len(whole)
    assert meta.warnings == ()
    assert pickle.loads(pickle.dumps(meta)) == meta


def test_of_a_header_that_says_little(write_nifti):
    meta = read_header(write_nifti(np.ones((3, 3, 3), np.float32), affine=None))
    assert meta.encoding_axes == (None, None, None)
    assert (meta.slope, meta.intercept, meta.qform_code, meta.sform_code) == (1, 0, 0, 0)
    assert "Neither qform nor sform" in meta.warnings[0]


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((3, 3, 3, 1), (3, 3, 3, 1)), ((3, 3, 3, 2, 1, 1), (3, 3, 3, 2)), ((3, 3), (3, 3))],
)
def test_axes_of_one_voxel_behind_the_fourth_say_nothing(write_nifti, shape, kept):
    assert read_header(write_nifti(np.ones(shape, np.int16))).shape == kept


@pytest.mark.parametrize(
    ("shape", "series", "volume"),
    [
        ((3, 4, 5), None, (3, 4, 5)),
        ((3, 4, 5, 1), (3, 4, 5, 1), (3, 4, 5)),
        ((3, 4, 5, 2), (3, 4, 5, 2), None),
        ((3, 4, 5, 2, 2), None, None),
        ((3, 4), None, None),
    ],
)
def test_series_and_volumes(write_nifti, shape, series, volume):
    path = write_nifti(np.ones(shape, np.int16))
    meta = read_header(path)
    for ask, expected, words in (
        (meta.series_shape, series, "a diffusion series has 4 dimensions"),
        (meta.volume_shape, volume, "but 3 dimensions are expected"),
    ):
        if expected is not None:
            assert ask() == expected
            continue
        with pytest.raises(InputError, match=f"is a {len(shape)}D image of 3x4.*{words}") as caught:
            ask()
        assert caught.value.file == str(path)


def spoil(path, how):
    """Make an image one that nobody can use."""
    image = nib.load(path)
    data, affine, header = np.asanyarray(image.dataobj), image.affine, image.header
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:40])
    elif how == "complex":
        nib.Nifti1Image(data.astype(np.complex64), affine).to_filename(path)
    elif how == "metres":
        header.set_xyzt_units("meter", "sec")
        nib.Nifti1Image(data, affine * [[1e-3], [1e-3], [1e-3], [1]], header).to_filename(path)
    elif how == "flat":
        header = image.header.copy()
        header.set_qform(None, 0)
        header["sform_code"], header["srow_z"] = 1, 0
        raw = header.binaryblock + bytes(4) + data.tobytes(order="F")
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    else:
        nib.Nifti1Image(np.stack([data, data], axis=-1), affine).to_filename(path)


@pytest.mark.parametrize("how", ["empty", "cut", "complex", "metres", "flat", "axis"])
def test_a_run_is_opened_where_its_series_can_be_read_and_refused_in_the_same_words(
    make_run, tmp_path, how
):
    """What opens cannot fail by its header hours later."""
    run = make_run(tmp_path)
    spoil(run.files.dwi, how)
    with pytest.raises(InputError) as at_once:
        open_run(run.files)
    with pytest.raises(InputError) as later:
        DwiReader(run.files.dwi)
    assert str(at_once.value) == str(later.value)


@pytest.mark.parametrize("how", ["empty", "cut", "complex", "metres", "flat", "axis"])
def test_a_mask_that_nobody_can_use_is_refused_before_the_work(make_run, tmp_path, how):
    run = make_run(tmp_path)
    mask = tmp_path / "mask.nii.gz"
    nib.Nifti1Image(np.ones(run.shape[:3], np.uint8), np.eye(4)).to_filename(mask)
    files = evolve(run.files, mask=mask)
    assert open_run(files).files.mask == mask
    spoil(mask, how)
    with pytest.raises(InputError) as at_once:
        open_run(files)
    with pytest.raises(InputError) as later:
        load_volume(mask)
    assert str(at_once.value) == str(later.value)


def test_a_file_that_may_not_be_read(write, monkeypatch):
    """The reason that the system gives, and what helps against that."""
    from bids_sr.images import header

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = write()
    monkeypatch.setattr(header.igzip, "open", refuse)
    with pytest.raises(InputError, match=r"cannot be read: Permission denied\.") as caught:
        read_header(path)
    assert "Let yourself read it" in caught.value.remedy
