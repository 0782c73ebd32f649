"""Random damage to images: an error that names the file, or what nibabel reads; never else."""

from __future__ import annotations

import gzip
import warnings

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.errors import InputError
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader
from bids_sr.images.runs import open_run

SHAPE = (5, 4, 3, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose image is to be spoilt, with its gradients."""
    path = tmp_path_factory.mktemp("fuzz")
    data = np.random.default_rng(0).integers(0, 2000, SHAPE).astype(np.int16)
    image = nib.Nifti1Image(data, np.diag([2.0, 2, 3, 1]))
    image.header.set_slope_inter(1.5, -3)
    image.to_filename(path / "whole.nii")
    (path / "sub-01_dwi.bval").write_text("0 1000 1000 1000")
    (path / "sub-01_dwi.bvec").write_text("0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    return path


def files(folder, name):
    bval, bvec = folder / "sub-01_dwi.bval", folder / "sub-01_dwi.bvec"
    return DwiFiles(folder / name, bval, bvec, None, {}, {"sub": "01"}, folder)


def read(run_files):
    """Open and read all: what was read, or None where an error says why not."""
    try:
        run = open_run(run_files)
        with DwiReader(run_files.dwi) as reader:
            volumes = [reader.volume(index) for index in range(reader.shape[3])]
            assert run.shape == reader.shape
            # what opens has a place in the world
            SliceGrid(reader.shape[:3], reader.affine, 2, 2)
            assert np.isfinite(reader.affine).all() and min(reader.zooms) > 0
            again = reader.volume(0)
    except InputError as error:
        assert error.file is not None and str(run_files.dwi.parent) in error.file
        assert error.problem and error.remedy
        return None
    data = np.stack(volumes, axis=-1)
    np.testing.assert_array_equal(again, data[..., 0])
    return data


def by_nibabel(path):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        data = np.asarray(nib.load(path).dataobj).reshape(nib.load(path).shape[:4])
        return np.nan_to_num(data.astype(np.float32), nan=0, posinf=0, neginf=0)


PATCHES = st.lists(
    st.tuples(
        st.sampled_from([*range(0, 4), *range(40, 56), *range(68, 124), *range(252, 348)]),
        st.binary(min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", ["sub-01_dwi.nii", "sub-01_dwi.nii.gz"])
@given(patches=PATCHES)
@example(patches=[(42, np.array([30000] * 3, "<i2").tobytes())])  # 30000^3 voxels
@example(patches=[(108, np.float32(np.inf).tobytes())])  # voxels begin nowhere
@example(patches=[(108, np.float32(1e30).tobytes())])
@example(patches=[(108, np.float32(-5).tobytes())])
@example(patches=[(40, np.int16(7).tobytes()), (54, np.int16(-3).tobytes())])
@example(patches=[(112, np.float32(np.nan).tobytes())])  # slope
def test_header(folder, name, patches):
    raw = bytearray((folder / "whole.nii").read_bytes())
    for place, value in patches:
        raw[place : place + len(value)] = value
    path = folder / name
    path.write_bytes(gzip.compress(raw, 1) if name.endswith(".gz") else raw)
    data = read(files(folder, name))
    if data is not None:
        np.testing.assert_array_equal(data, by_nibabel(path))


def test_a_lie_about_the_size_that_the_end_of_the_file_confirms(folder):
    """Nothing is allocated for 54 TB, though the gzip trailer says that they are there."""
    raw = bytearray((folder / "whole.nii").read_bytes())
    raw[42:48] = np.array([30000] * 3, "<i2").tobytes()
    raw += np.random.default_rng(0).bytes(300_000)  # so that the header is read without the end
    promised = 352 + 2 * 30000**3 * SHAPE[3]
    path = folder / "sub-01_dwi.nii.gz"
    path.write_bytes(gzip.compress(raw)[:-4] + (promised % 2**32).to_bytes(4, "little"))
    with pytest.raises(InputError, match="is truncated: it holds"):
        DwiReader(path)
    assert read(files(folder, path.name)) is None


@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7))))
def test_gzip_stream(folder, cut, flips):
    whole = (folder / "whole.nii").read_bytes()
    raw = bytearray(gzip.compress(whole, 6, mtime=0))
    raw = raw[: len(raw) - cut] if cut else raw
    for share, bit in flips:
        raw[min(int(share * len(raw)), len(raw) - 1)] ^= 1 << bit
    path = folder / "sub-01_dwi.nii.gz"
    path.write_bytes(raw)
    data = read(files(folder, path.name))
    (folder / "expected.nii").write_bytes(whole)
    if data is not None:  # only where the damage is to what gzip does not need
        np.testing.assert_array_equal(data, by_nibabel(folder / "expected.nii"))


@given(content=st.binary(max_size=2000))
def test_bytes_that_are_no_image(folder, content):
    for name in ("sub-01_dwi.nii", "sub-01_dwi.nii.gz"):
        (folder / name).write_bytes(content)
        assert read(files(folder, name)) is None
