"""Small NIfTI files for the image tests."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import DwiReader

EXAMPLE = Path(__file__).parents[2] / "examples" / "dwi-small" / "sub-philips02" / "dwi"

TURN = np.array([[-1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]])
AFFINE = np.vstack([np.column_stack([TURN * (2, 2, 2.5), (60, -70, -30)]), [0, 0, 0, 1]])


@pytest.fixture
def series():
    """(13, 11, 7, 5) int16 noise: it hardly compresses, as real scans."""
    return np.random.default_rng(0).integers(0, 4000, (13, 11, 7, 5)).astype(np.int16)


@pytest.fixture
def write_nifti(tmp_path):
    """A function that saves an array with nibabel and returns the path."""

    def write(data, name="sub-01_dwi.nii.gz", affine=AFFINE, image=nib.Nifti1Image, edit=None):
        made = image(data, affine)
        made.header.set_xyzt_units("mm", "sec")
        if edit is not None:
            edit(made.header)
        path = tmp_path / name
        made.to_filename(path)
        return path

    return write


@pytest.fixture(scope="session")
def example():
    """The first volumes of the example, (6, slices, a, b): measured in full."""
    with DwiReader(next(EXAMPLE.glob("*_dwi.nii.gz"))) as reader:
        return np.stack([to_slices(reader.volume(index), 2) for index in range(6)])


@pytest.fixture(scope="session")
def plant(zero_filled):
    """A function that leaves part of the band of magnitude volumes."""
    return zero_filled.plant
