"""Arrays in, arrays out: the same as by way of files."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

import bids_sr
from bids_sr.errors import InputError, UsageError


@pytest.fixture
def scan(make_run, tmp_path):
    """Image, affine, b-values, directions (volumes, 3), and the path of the file."""
    path = make_run(tmp_path).files.dwi
    image = nib.load(path)
    bvals = np.loadtxt(tmp_path / "sub-01_dwi.bval")
    bvecs = np.loadtxt(tmp_path / "sub-01_dwi.bvec").T
    return np.asarray(image.dataobj), image.affine, bvals, bvecs, path


@pytest.fixture
def options(tiny_series_model):
    return {"model": tiny_series_model, "device": "cpu", "threads": 1}


def test_the_same_as_of_the_file(scan, options, tmp_path):
    *arrays, path = scan
    before = [array.copy() for array in arrays]
    made = bids_sr.super_resolve_array(*arrays, maps=["fa", "v1"], **options)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    file = bids_sr.super_resolve(path, tmp_path / "sr.nii.gz", maps=["fa", "v1"], **options)
    image = nib.load(file.dwi)
    assert made.data.dtype == np.float32 and made.data.shape == (48, 44, 4, 17)
    np.testing.assert_array_equal(made.data, np.asarray(image.dataobj))
    np.testing.assert_array_equal(made.affine, image.affine)
    np.testing.assert_array_equal(made.mask, nib.load(file.mask).get_fdata() > 0)
    assert made.maps.keys() == {"fa", "v1"} and made.maps["v1"].shape == (48, 44, 4, 3)
    for param, values in made.maps.items():
        np.testing.assert_array_equal(values, nib.load(file.maps[param]).get_fdata())
    np.testing.assert_array_equal(made.bvals, arrays[2])
    np.testing.assert_allclose(made.bvecs, arrays[3], atol=1e-12)
    assert (made.factor, made.model, made.notes) == (2, "tiny-series", file.notes)


def test_kinds_of_numbers_and_either_shape_of_directions(scan, options):
    data, affine, bvals, bvecs, _ = scan
    wanted = bids_sr.super_resolve_array(data, affine, bvals, bvecs, **options)
    assert wanted.mask is None and wanted.maps == {}
    for kind in (np.int64, np.float64, ">i2"):
        made = bids_sr.super_resolve_array(data.astype(kind), affine, bvals, bvecs.T, **options)
        np.testing.assert_array_equal(made.data, wanted.data)


def test_mask_and_metadata_are_taken(scan, options):
    data, affine, bvals, bvecs, _ = scan
    mask = np.zeros(data.shape[:3])
    mask[6:-6, 6:-6] = 0.2  # brain where it is not 0
    made = bids_sr.super_resolve_array(
        data, affine, bvals, bvecs, mask=mask, maps="fa",
        metadata={"SliceEncodingDirection": "i"}, **options,
    )  # fmt: skip
    assert made.data.shape == (24, 44, 8, 17)
    assert made.mask.sum() == 4 * (mask > 0).sum()
    assert not made.maps["fa"][~made.mask].any()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("data", np.zeros((4, 4, 4)), r"data: shape \(4, 4, 4\)"),
        ("data", np.zeros((4, 4, 4, 17), complex), "complex128"),
        ("affine", np.eye(3), r"affine: shape \(3, 3\)"),
        ("bvals", np.zeros(16), "bvals: 16 for 17 volumes"),
        ("bvecs", np.zeros((16, 3)), r"bvecs: shape \(16, 3\) is not \(17, 3\)"),
        ("mask", np.zeros((4, 4, 4)), r"mask: shape \(4, 4, 4\) is not \(24, 22, 4\)"),
    ],
)
def test_shapes_that_do_not_fit(scan, options, name, value, words):
    given = dict(zip(("data", "affine", "bvals", "bvecs"), scan, strict=False))
    with pytest.raises(InputError, match=words):
        bids_sr.super_resolve_array(**given | {name: value}, **options)


def test_options_of_files_are_none_of_arrays(scan, options):
    for name in ("bval", "overwrite", "out"):
        with pytest.raises(TypeError, match=name):
            bids_sr.super_resolve_array(*scan[:4], **options, **{name: "x"})
    with pytest.raises(UsageError, match="ensemble"):
        bids_sr.super_resolve_array(*scan[:4], **options, ensemble=3)


def test_nothing_is_left_in_the_temporary_folder(scan, options, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    bids_sr.super_resolve_array(*scan[:4], **options)
    assert not list((tmp_path / "tmp").iterdir())
