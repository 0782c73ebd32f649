"""A tiny DWI run on disk, prepared for training."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.dwi_run import DwiFiles, open_run

SHAPE = (24, 22, 4)


def write_run(folder, directions=16, seed=0):
    """A blurred random object with tensor contrast; returns the opened run."""
    from scipy.ndimage import gaussian_filter

    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(directions, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    bvals = np.array([0, *[1000] * directions])
    bvecs = np.vstack([np.zeros(3), vectors])
    field = gaussian_filter(generator.normal(size=SHAPE), (1, 1, 0))
    base = np.pad(500 + 2000 * np.abs(field)[4:-4, 4:-4], ((4, 4), (4, 4), (0, 0)))
    decay = np.exp(-bvals * (0.5e-3 + 0.8e-3 * bvecs[:, 0] ** 2))
    data = base[..., None] * decay + generator.normal(0, 5, (*SHAPE, bvals.size))
    stem = folder / "sub-01_dwi"
    nib.Nifti1Image(np.abs(data).astype(np.int16), np.diag([2, 2, 3, 1])).to_filename(
        stem.with_suffix(".nii.gz")
    )
    np.savetxt(stem.with_suffix(".bval"), bvals[None], fmt="%g")
    np.savetxt(stem.with_suffix(".bvec"), bvecs.T)
    return open_run(
        DwiFiles(
            dwi=stem.with_suffix(".nii.gz"),
            bval=stem.with_suffix(".bval"),
            bvec=stem.with_suffix(".bvec"),
            mask=None,
            sidecar={},
            entities={"sub": "01"},
            dataset_root=folder,
        )
    )


@pytest.fixture
def make_run():
    """The function that writes a run into a folder and opens it."""
    return write_run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The tiny run at factor 2, with views of about 8 directions."""
    from bids_sr.training.prepare import prepare_run

    folder = tmp_path_factory.mktemp("run")
    return prepare_run(write_run(folder), folder / "cache", factor=2, subset=8)
