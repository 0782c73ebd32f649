"""The sd of FA over members of a series."""

from __future__ import annotations

from contextlib import ExitStack

import nibabel as nib
import numpy as np
import pytest

from bids_sr.diffusion.ensemble_sd import fa_ensemble_sd, subset
from bids_sr.diffusion.tensor import fit_tensor
from bids_sr.images.nifti import DwiReader


@pytest.fixture
def members(make_run, tmp_path):
    """A run and three members of it that differ by noise."""
    run = make_run(tmp_path)
    source = nib.load(run.files.dwi)
    generator = np.random.default_rng(1)
    paths = [tmp_path / f"member{i}.nii" for i in range(3)]
    for path in paths:
        noisy = source.get_fdata() + generator.normal(0, 20, source.shape)
        nib.Nifti1Image(noisy.clip(0).astype(np.float32), source.affine).to_filename(path)
    return run, paths, source.get_fdata()[..., 0] > 300


def fit(paths, run, mask, out, folder):
    with ExitStack() as stack:
        sources = [stack.enter_context(DwiReader(path)) for path in paths]
        return fa_ensemble_sd(sources, run.gradients, mask, out, folder=folder, threads=1)


def test_it_is_that_of_separate_fits(members, tmp_path):
    run, paths, mask = members
    folder = tmp_path / "work"
    folder.mkdir()
    made = fit(paths, run, mask, tmp_path / "sd.nii.gz", folder)
    fits = [
        fit_tensor(path, run.gradients, mask, {"fa": tmp_path / f"fa{i}.nii.gz"}, params=("fa",))
        for i, path in enumerate(paths)
    ]
    expected = np.std([nib.load(f.paths["fa"]).get_fdata() for f in fits], axis=0, ddof=1)
    image = nib.load(made)
    np.testing.assert_allclose(image.get_fdata(), expected, atol=1e-6)
    assert image.get_fdata()[mask].mean() > 0.005 and not image.get_fdata()[~mask].any()
    np.testing.assert_array_equal(image.affine, nib.load(paths[0]).affine)
    assert not list(folder.iterdir())


def test_equal_members_have_none(members, tmp_path):
    run, paths, mask = members
    made = fit([paths[0]] * 2, run, mask, tmp_path / "sd.nii.gz", tmp_path)
    assert not nib.load(made).get_fdata().any()


def test_one_member_is_refused(members, tmp_path):
    run, paths, mask = members
    with pytest.raises(ValueError, match="1 members"):
        fit(paths[:1], run, mask, tmp_path / "sd.nii.gz", tmp_path)


def test_gradients_of_some_volumes(members):
    gradients = members[0].gradients
    some = subset(gradients, (0, 4, 2))
    np.testing.assert_array_equal(some.bvecs, gradients.bvecs[[0, 4, 2]])
    assert some.n_volumes == 3 and some.is_b0.tolist() == [True, False, False]
