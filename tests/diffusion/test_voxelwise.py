"""Voxelwise work does not depend on the pieces it is done in, nor on where its results lie."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.diffusion.voxelwise import map_voxels, write_map
from bids_sr.errors import OutputError
from bids_sr.images.nifti import DwiReader

SHAPE = (11, 9, 7, 5)


@pytest.fixture
def series(tmp_path):
    data = np.random.default_rng(1).random(SHAPE, np.float32)
    nib.Nifti1Image(data, np.diag([2, 2, 3, 1])).to_filename(tmp_path / "dwi.nii.gz")
    return tmp_path / "dwi.nii.gz", data


def work(signals):
    return np.stack([signals.sum(axis=1), signals.max(axis=1)], axis=1)


@pytest.mark.parametrize("block_bytes", [1, 4 * 99 * 5 * 2, 1 << 20])
@pytest.mark.parametrize("threads", [1, 3])
def test_on_disk_and_in_any_pieces_it_is_the_same(
    series, tmp_path, monkeypatch, block_bytes, threads
):
    path, data = series
    monkeypatch.setattr("bids_sr.diffusion.voxelwise._LEAST_CHUNK", 10)
    mask = data[..., 0] > 0.3
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    options = {"threads": threads, "block_bytes": block_bytes, "on_disk": True}
    with DwiReader(path) as reader:
        values = map_voxels(reader, mask, range(5), work, 2, scratch=scratch, **options)
        plain = map_voxels(reader, mask, range(5), work, 2)
        write_map(tmp_path / "a.nii.gz", values, mask, reader)
        write_map(tmp_path / "b.nii.gz", plain, mask, reader)
    assert isinstance(values, np.memmap) and not isinstance(plain, np.memmap)
    assert not list(scratch.iterdir()), "the file has no name that could be left behind"
    np.testing.assert_array_equal(values, plain)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    image = nib.load(tmp_path / "a.nii.gz").get_fdata()
    np.testing.assert_allclose(image[mask][:, 0], data[mask].sum(axis=1), rtol=1e-6)
    assert not image[~mask].any()


def test_an_empty_mask_needs_no_file(series, tmp_path):
    path, data = series
    with DwiReader(path) as reader:
        values = map_voxels(
            reader,
            np.zeros(data.shape[:3], bool),
            range(5),
            work,
            2,
            scratch=tmp_path,
            on_disk=True,
        )
    assert values.shape == (0, 2)


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_volumes_keep_their_order(series, block_bytes):
    path, data = series
    mask = data[..., 0] > 0.3
    with DwiReader(path) as reader:
        values = map_voxels(reader, mask, [3, 0, 4], lambda s: s, 3, block_bytes=block_bytes)
    np.testing.assert_array_equal(values, data.transpose(2, 1, 0, 3)[mask.T][:, [3, 0, 4]])


@pytest.mark.parametrize(("block_bytes", "on_disk"), [(1, False), (1 << 20, True)])
def test_a_folder_without_room_is_told(series, tmp_path, block_bytes, on_disk):
    path, data = series
    options = {"block_bytes": block_bytes, "on_disk": on_disk, "scratch": tmp_path / "missing"}
    with DwiReader(path) as reader, pytest.raises(OutputError, match="missing: has no space"):
        map_voxels(reader, data[..., 0] > 0.3, range(5), work, 2, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, as Linux has it")
def test_a_disk_that_is_full_is_told(series, tmp_path, monkeypatch):
    path, data = series
    full = lambda dir: Path("/dev/full").open("r+b", buffering=0)  # noqa: E731, SIM115
    monkeypatch.setattr("bids_sr.images.scratch.tempfile.TemporaryFile", full)
    with DwiReader(path) as reader, pytest.raises(OutputError, match="No space left on device"):
        map_voxels(reader, data[..., 0] > 0.3, range(5), work, 2, block_bytes=1, scratch=tmp_path)
