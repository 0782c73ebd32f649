"""Writing: whole or not at all, exact values, honest header, the same bytes every time."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from bids_sr.errors import OutputError
from bids_sr.images.header import read_header
from bids_sr.images.nifti import DwiReader, VolumeWriter, load_volume, write_image

# a turn about x, mirrored, voxels of 1 x 1.1 x 2.5 mm
TURN = np.array([[-1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]])
AFFINE = np.vstack([np.column_stack([TURN * (1, 1.1, 2.5), (30, -40, -20)]), [0, 0, 0, 1]])
NAMES = ["hr_dwi.nii", "hr_dwi.nii.gz"]


@pytest.fixture
def volumes():
    """Three volumes (6, 5, 4) float32, some negative."""
    generator = np.random.default_rng(0)
    return [generator.normal(100, 200, (6, 5, 4)).astype(np.float32) for _ in range(3)]


def write(path, volumes, **options):
    with VolumeWriter(path, (6, 5, 4, 3), AFFINE, **options) as writer:
        for volume in volumes:
            writer.write(volume)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_header(tmp_path, volumes, name):
    path = tmp_path / "sub-01" / "dwi" / name
    write(path, volumes)
    image = nib.load(path)
    assert np.array_equal(np.asarray(image.dataobj), np.stack(volumes, axis=-1))
    header = image.header
    assert header.get_data_dtype() == np.float32
    with nib.openers.ImageOpener(path) as stream:
        raw = stream.read(352)
    assert np.frombuffer(raw[112:120], "<f4").tolist() == [1.0, 0.0]  # slope, inter
    assert header.get_xyzt_units() == ("mm", "sec")
    assert header["descrip"].item().startswith(b"bids_sr ")
    assert image.affine == pytest.approx(AFFINE, abs=1e-5)
    assert [p.name for p in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_our_reader_reads_it(tmp_path, volumes, name):
    path = tmp_path / name
    write(path, volumes)
    with DwiReader(path) as reader:
        reader.check()
        assert np.array_equal(reader.volume(2), volumes[2])
        assert np.array_equal(reader.volume(1), volumes[1])


@pytest.mark.parametrize(
    "layout", [np.asfortranarray, np.ascontiguousarray, lambda v: v[::-1], np.float64]
)
def test_any_memory_layout(tmp_path, volumes, layout):
    path = tmp_path / "a.nii.gz"
    write(path, [layout(v) for v in volumes])
    wanted = np.stack([layout(v) for v in volumes], axis=-1)
    assert np.array_equal(np.asarray(nib.load(path).dataobj), wanted)


def test_two_runs_give_the_same_bytes(tmp_path, volumes):
    paths = [tmp_path / "one_dwi.nii.gz", tmp_path / "two" / "other_dwi.nii.gz"]
    for path in paths:
        write(path, volumes)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert first[3:8] == bytes(5)  # no flags (so no name), no time


@pytest.mark.parametrize(
    ("unit", "stored", "seconds"),
    [
        ("sec", 3.5, 3.5),
        ("msec", 3500, 3.5),
        ("usec", 3.5e6, 3.5),
        ("unknown", 3.5, 3.5),
        ("sec", np.nan, 0),
        ("sec", 0, 0),
    ],
)
def test_repetition_time(tmp_path, write_nifti, volumes, unit, stored, seconds):
    def edit(header):
        header.set_xyzt_units("mm", unit)
        header["pixdim"][4] = stored

    like = read_header(write_nifti(np.ones((3, 3, 3, 2), np.int16), edit=edit))
    assert like.repetition_time == pytest.approx(seconds)
    write(tmp_path / "a.nii.gz", volumes, like=like)
    assert nib.load(tmp_path / "a.nii.gz").header["pixdim"][4] == pytest.approx(seconds)


@pytest.mark.parametrize("image", [nib.Nifti1Image, nib.Nifti2Image])
def test_slice_axis_of_the_header_is_kept(tmp_path, write_nifti, volumes, image):
    def edit(header):
        header.set_dim_info(freq=2, phase=0, slice=1)

    path = write_nifti(np.ones((3, 3, 3, 2), np.int16), image=image, edit=edit)
    write(tmp_path / "a.nii.gz", volumes, like=read_header(path))
    assert nib.load(tmp_path / "a.nii.gz").header.get_dim_info() == (2, 0, 1)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_wrong_number_of_volumes(tmp_path, volumes, count):
    path = tmp_path / "a.nii.gz"
    with pytest.raises(ValueError, match="3 volumes"):
        write(path, (volumes * 2)[:count])
    assert not list(tmp_path.iterdir())


def test_wrong_shape(tmp_path, volumes):
    with pytest.raises(ValueError, match="shape"):
        write(tmp_path / "a.nii.gz", [volumes[0], volumes[1][:3]])
    assert not list(tmp_path.iterdir())


def test_zooms_must_be_those_of_the_affine(tmp_path, volumes):
    zooms = nib.affines.voxel_sizes(AFFINE)
    write(tmp_path / "a.nii.gz", volumes, zooms=tuple(zooms))
    with pytest.raises(ValueError, match="zooms"):
        write(tmp_path / "b.nii.gz", volumes, zooms=tuple(2 * zooms))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_what_was_there(tmp_path, volumes, error):
    path = tmp_path / "a.nii.gz"
    write(path, volumes)
    before = path.read_bytes()
    with pytest.raises(error), VolumeWriter(path, (6, 5, 4, 3), AFFINE) as writer:
        writer.write(volumes[2])
        raise error
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_writing_outside_the_block(tmp_path, volumes):
    writer = VolumeWriter(tmp_path / "a.nii.gz", (6, 5, 4, 3), AFFINE)
    with pytest.raises(ValueError, match="with block"):
        writer.write(volumes[0])


@pytest.mark.slow
def test_killed_process_leaves_no_image(tmp_path):
    path = tmp_path / "a.nii.gz"
    code = f"""
import os, pathlib, signal, numpy as np
from bids_sr.images.nifti import VolumeWriter
with VolumeWriter(pathlib.Path({str(path)!r}), (64, 64, 9, 3), np.eye(4)) as writer:
    writer.write(np.random.default_rng(0).normal(size=(64, 64, 9)))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    # what is left is hidden, so that no tool takes it for an image
    assert all(p.name.startswith(".tmp-") for p in tmp_path.iterdir())


def _small_files_only():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["VolumeWriter", "write_image"])
def test_no_room_on_the_disk(tmp_path, name, how):
    path = tmp_path / name
    code = f"""
import pathlib, numpy as np
from bids_sr.errors import OutputError
from bids_sr.images.nifti import VolumeWriter, write_image
path, data = pathlib.Path({str(path)!r}), np.random.default_rng(0).normal(size=(64, 64, 9, 3))
try:
    if {how!r} == "write_image":
        write_image(path, data, np.eye(4))
    else:
        with VolumeWriter(path, data.shape, np.eye(4)) as writer:
            for i in range(3):
                writer.write(data[..., i])
except OutputError as error:
    assert error.file == str(path), error.file
    print("told")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=_small_files_only,
        # what coverage writes at the end is larger
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
    )
    assert done.stdout == "told\n"
    assert not done.stderr
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_made(tmp_path, volumes):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "file" / "a.nii.gz", volumes)
    with pytest.raises(OutputError, match="cannot be written"):
        write_image(tmp_path / "file" / "a.nii.gz", volumes[0], AFFINE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path, volumes):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        write(tmp_path / "a.nii.gz", volumes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("given", "stored"),
    [(bool, "u1"), ("u1", "u1"), ("i2", "i2"), ("f8", "f4"), ("f4", "f4"), ("f2", "f4")],
)
@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5, 4, 3)])
def test_write_image(tmp_path, name, given, stored, shape):
    array = (np.random.default_rng(0).random(shape) * 3).astype(given)
    before = array.copy()
    write_image(tmp_path / name, array, AFFINE)
    image = nib.load(tmp_path / name)
    assert image.get_data_dtype() == np.dtype(stored)
    assert np.array_equal(np.asarray(image.dataobj), array.astype(stored))
    assert image.affine == pytest.approx(AFFINE, abs=1e-5)
    assert image.header.get_qform() == pytest.approx(AFFINE, abs=1e-5)
    assert np.array_equal(array, before)


def test_write_image_with_a_type(tmp_path):
    write_image(tmp_path / "a.nii.gz", np.full((3, 3, 3), 2.0), AFFINE, dtype=np.uint8)
    assert nib.load(tmp_path / "a.nii.gz").get_data_dtype() == np.uint8
    data, _ = load_volume(tmp_path / "a.nii.gz")
    assert (data == 2).all()


def test_write_image_of_two_dimensions(tmp_path):
    with pytest.raises(ValueError, match="3D nor 4D"):
        write_image(tmp_path / "a.nii.gz", np.zeros((3, 3)), AFFINE)
    assert not list(tmp_path.iterdir())


def test_whole_numbers_are_stored_in_steps(tmp_path, volumes):
    """Rounded to the nearest step; what is beyond the type is cut off and counted."""
    volumes[1][0, 0, 0], volumes[2][1, 0, 0] = 1e6, -1e6
    path = tmp_path / "a.nii.gz"
    with VolumeWriter(path, (6, 5, 4, 3), AFFINE, dtype=np.int16, step=0.3) as writer:
        for volume in volumes:
            writer.write(volume)
    assert writer.clipped == 2
    image = nib.load(path)
    assert image.get_data_dtype() == np.int16
    assert (image.dataobj.slope, image.dataobj.inter) == (pytest.approx(0.3), 0)
    volumes[1][0, 0, 0], volumes[2][1, 0, 0] = 0.3 * 32767, -0.3 * 32768
    with DwiReader(path) as reader:
        for index, volume in enumerate(volumes):
            assert np.abs(reader.volume(index) - volume).max() < 0.1501
