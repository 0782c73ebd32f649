"""Reading volumes: right values, any order, any storage."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np
import pytest

from bids_sr.errors import InputError
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.images.nifti_file import NiftiFile

NAMES = ["a_dwi.nii", "a_dwi.nii.gz"]


@pytest.mark.parametrize("name", NAMES)
def test_volumes_in_order_and_again(write_nifti, series, name):
    with DwiReader(write_nifti(series, name)) as reader:
        assert reader.shape == series.shape
        # two passes, with steps back in between
        for index in [0, 1, 1, 2, 0, 3, 4, 4, 0, 1, 2, 3, 4, 2, np.int64(1)]:
            volume = reader.volume(index)
            assert volume.dtype == np.float32
            assert np.array_equal(volume, series[..., index])


@pytest.mark.parametrize("name", NAMES)
def test_last_volume_first(write_nifti, series, name):
    with DwiReader(write_nifti(series, name)) as reader:
        assert np.array_equal(reader.volume(4), series[..., 4])


def test_passes_need_no_index_until_they_are_many(write_nifti, series, monkeypatch):
    indexed, made = NiftiFile._indexed, []
    monkeypatch.setattr(NiftiFile, "_indexed", lambda self: made.append(1) or indexed(self))
    with DwiReader(write_nifti(series, "a_dwi.nii.gz")) as reader:
        for index in (1, 3, 4, 2, 4, 0, 0):
            assert np.array_equal(reader.volume(index), series[..., index])
        assert not made
        for index in (3, 2, 1, 0) * 4:
            assert np.array_equal(reader.volume(index), series[..., index])
        assert made == [1]


def test_skipping_volumes_a_broken_end_is_noticed(write_nifti, series):
    path = write_nifti(series, "a_dwi.nii.gz")
    path.write_bytes(path.read_bytes()[:-100])
    with DwiReader(path) as reader, pytest.raises(InputError, match="truncated"):
        reader.volume(3)


def test_what_is_read_is_the_callers_own(write_nifti, series):
    with DwiReader(write_nifti(series.astype(np.float32))) as reader:
        reader.volume(0)[:] = -1
        reader.volume(2)[:] = -1
        reader.volume(2)[:] = -1
        assert np.array_equal(reader.volume(0), series[..., 0])


@pytest.mark.parametrize("index", [-1, 5])
def test_no_such_volume(write_nifti, series, index):
    with DwiReader(write_nifti(series)) as reader, pytest.raises(IndexError, match="of 5"):
        reader.volume(index)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["i2", "u2", "u1", "i4", "f4", "f8", ">i2", ">f4"])
def test_types_and_scaling(write_nifti, name, dtype):
    stored = np.random.default_rng(1).integers(0, 250, (4, 5, 6, 3)).astype(dtype)

    def scale(header):
        header.set_slope_inter(0.37, -12.5)

    path = write_nifti(stored, name, edit=scale)
    with DwiReader(path) as reader:
        expected = nib.load(path).get_fdata()
        assert not np.array_equal(expected, stored) or stored.dtype.kind == "f"
        for index in range(3):
            assert reader.volume(index) == pytest.approx(expected[..., index], rel=1e-6)


def test_scaling_in_the_header_is_applied(tmp_path, series):
    image = nib.Nifti1Image(series, np.eye(4))
    path = tmp_path / "a.nii"
    image.to_filename(path)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([2.5, 10], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(raw)
    zipped = tmp_path / "a.nii.gz"
    zipped.write_bytes(gzip.compress(raw))
    for each in (path, zipped):
        with DwiReader(each) as reader:
            for index in (0, 1, 0):
                assert np.array_equal(reader.volume(index), 2.5 * series[..., index] + 10)


def test_nifti2(write_nifti, series):
    with DwiReader(write_nifti(series, image=nib.Nifti2Image)) as reader:
        assert np.array_equal(reader.volume(1), series[..., 1])


def test_fifth_axis_of_one_is_dropped(write_nifti, series):
    with DwiReader(write_nifti(series[..., None])) as reader:
        assert reader.shape == series.shape
        assert np.array_equal(reader.volume(4), series[..., 4])


def test_header_extension_is_skipped(tmp_path, series):
    image = nib.Nifti1Image(series, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 500))
    image.to_filename(tmp_path / "a.nii.gz")
    with DwiReader(tmp_path / "a.nii.gz") as reader:
        assert np.array_equal(reader.volume(0), series[..., 0])
        assert np.array_equal(reader.volume(4), series[..., 4])


def test_several_gzip_members(tmp_path, write_nifti, series):
    raw = write_nifti(series, "a.nii").read_bytes()
    path = tmp_path / "b.nii.gz"
    path.write_bytes(gzip.compress(raw[:4000]) + gzip.compress(raw[4000:]) + bytes(64))
    with DwiReader(path) as reader:
        for index in (*range(5), 1):
            assert np.array_equal(reader.volume(index), series[..., index])


def test_threads_take_turns(write_nifti, series):
    order = np.random.default_rng(2).integers(0, 5, 60).tolist()
    with DwiReader(write_nifti(series)) as reader, ThreadPoolExecutor(4) as pool:
        for index, volume in zip(order, pool.map(reader.volume, order), strict=True):
            assert np.array_equal(volume, series[..., index])


def test_check_passes_a_good_file(write_nifti, series):
    with DwiReader(write_nifti(series)) as reader:
        reader.check()


@pytest.mark.parametrize("name", NAMES)
def test_load_volume(write_nifti, series, name):
    path = write_nifti(series[..., 0], name)
    data, affine = load_volume(path)
    assert data.dtype == np.float32
    assert np.array_equal(data, series[..., 0])
    assert np.array_equal(affine, nib.load(path).affine)
    data, _ = load_volume(write_nifti(series[..., 1:2], name))
    assert np.array_equal(data, series[..., 1])


def test_load_volume_wants_three_dimensions(write_nifti, series):
    with pytest.raises(InputError, match="3D"):
        load_volume(write_nifti(series))


def test_load_volume_keeps_nan(write_nifti):
    data, _ = load_volume(write_nifti(np.full((3, 3, 3), np.nan, np.float32)))
    assert np.isnan(data).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_without_a_value_are_zero(write_nifti, series, value):
    """And nothing else changes, in that volume or in others."""
    spoiled = series.astype(np.float32)
    spoiled[1, 2, 3, 2] = value
    with DwiReader(write_nifti(spoiled)) as reader:
        read = np.stack([reader.volume(index) for index in range(5)], axis=-1)
        assert reader.nonfinite == {2: 1}
    assert read[1, 2, 3, 2] == 0
    spoiled[1, 2, 3, 2] = 0
    np.testing.assert_array_equal(read, spoiled)
