from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.core.sphere import HemiSphere
from dipy.data import get_sphere
from dipy.reconst.gqi import GeneralizedQSamplingModel
from dipy.reconst.odf import gfa

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.frames import world_directions
from bids_sr.diffusion.gqi import SAMPLING_LENGTH, fit_gqi, gqi_kernel, odf_scalars
from bids_sr.errors import InputError

AFFINE = np.diag([-2.0, 2, 2, 1])
FREE_WATER = 2.5e-3


def signals(gradients, s0, evals, axis):
    """Signal of an axially symmetric tensor along `axis`."""
    cosine = gradients.bvecs @ np.asarray(axis, float)
    adc = evals[1] + (evals[0] - evals[1]) * cosine**2
    return s0 * np.exp(-gradients.bvals * adc)


def brain_like(gradients):
    """Fluid in one half of a small image, one fibre or grey matter in the other."""
    data = np.empty((6, 4, 4, gradients.n_volumes))
    data[:3] = signals(gradients, 1200, (FREE_WATER, FREE_WATER), (1, 0, 0))
    data[3:5] = signals(gradients, 500, (1.7e-3, 0.3e-3), (0, 0.6, 0.8))
    data[5] = signals(gradients, 500, (0.8e-3, 0.8e-3), (1, 0, 0))
    return data


def fit(gradients, data, write, tmp_path, **options):
    paths = fit_gqi(
        write(data, AFFINE),
        gradients,
        options.pop("mask", np.ones(data.shape[:3], bool)),
        lambda param: tmp_path / f"{param}.nii.gz",
        **options,
    )
    return {name: nib.load(path).get_fdata() for name, path in paths.items()}


def kernel_of(gradients, directions):
    return gqi_kernel(gradients.bvals, directions, gradients.is_b0)


def test_equal_to_dipy_voxel_by_voxel(table):
    gradients = table((0, 3), (1000, 20), (2500, 30))
    rng = np.random.default_rng(5)
    voxels = np.stack(
        [signals(gradients, 400, (1.6e-3, 0.3e-3), axis / np.linalg.norm(axis))
         for axis in rng.normal(size=(7, 3))]
    )  # fmt: skip
    voxels = (voxels + rng.normal(scale=10, size=voxels.shape)).astype(np.float32)
    # dipy takes what it is given: the mean of the b0s as one volume
    averaged = np.column_stack([voxels[:, :3].astype(float).mean(axis=1), voxels[:, 3:]])
    model = GeneralizedQSamplingModel(
        gradient_table(gradients.bvals[2:], bvecs=gradients.bvecs[2:]),
        method="standard",
        sampling_length=SAMPLING_LENGTH,
    )
    sphere = HemiSphere.from_sphere(get_sphere(name="repulsion724"))
    figures = odf_scalars(voxels, kernel_of(gradients, gradients.bvecs))
    for voxel, (anisotropic, isotropic, general) in zip(averaged, figures, strict=True):
        odf = model.fit(voxel).odf(sphere)
        assert anisotropic == pytest.approx(odf.max() - odf.min(), rel=1e-4)
        assert isotropic == pytest.approx(odf.min(), rel=1e-4)
        assert general == pytest.approx(float(gfa(odf)), rel=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_fibre_stands_out_of_fluid_and_grey_matter(table, write, tmp_path, threads):
    gradients = table((0, 1), (2000, 40))
    data = brain_like(gradients)
    maps = fit(gradients, data, write, tmp_path, threads=threads, block_bytes=1)
    for name in ("qa", "gfa"):
        assert maps[name][4, 2, 2] > 5 * maps[name][5, 2, 2], name
        assert maps[name][4, 2, 2] > 5 * maps[name][0, 2, 2], name


def test_qa_does_not_depend_on_the_intensity_scale(table, write, tmp_path):
    gradients = table((0, 1), (2000, 40))
    data = brain_like(gradients)
    once = fit(gradients, data, write, tmp_path)["qa"]
    assert fit(gradients, 37 * data, write, tmp_path)["qa"] == pytest.approx(once, rel=1e-4)


def test_unit_of_qa_is_the_largest_isotropic_part(table, write, tmp_path):
    gradients = table((0, 1), (2000, 40))
    data = np.concatenate([brain_like(gradients)] * 2, axis=2)
    data[0, 0, 0] *= 50  # one hot voxel of 192
    kernel = kernel_of(gradients, world_directions(gradients.bvecs, AFFINE))
    odf = data @ kernel.astype(float)
    odf[0, 0, 0] = odf[1, 0, 0]
    expected = (odf[4, 0, 0].max() - odf[4, 0, 0].min()) / odf.min(-1).max()
    qa = fit(gradients, data, write, tmp_path)["qa"]
    assert qa[4, 0, 0] == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("b0s", [2, 18])
@pytest.mark.parametrize("weak", [0, 60])
def test_neither_map_hangs_on_the_number_of_b0s(table, write, tmp_path, b0s, weak):
    one, many = table((0, 1), (2000, 40)), table((0, b0s), (2000, 40))
    once = fit(one, brain_like(one), write, tmp_path)
    assert once["gfa"][4, 2, 2] > 0.1
    data = brain_like(many)
    data[..., :b0s] *= np.linspace(0.9, 1.1, b0s)  # of the same mean
    # imaging gradients give b0s a b-value and a direction
    bvals = np.where(many.is_b0, weak, many.bvals)
    bvecs = np.where(many.is_b0[:, None], [1.0, 0, 0], many.bvecs)
    maps = fit(GradientTable(bvals, bvecs, 100.0), data, write, tmp_path)
    for name in ("qa", "gfa"):
        np.testing.assert_allclose(maps[name], once[name], rtol=1e-4, atol=1e-6)


def test_voxels_without_signal_and_outside_the_mask_are_zero(table, write, tmp_path):
    gradients = table((0, 1), (2000, 40))
    data = brain_like(gradients)
    data[4, 1, 1] = 0
    mask = np.ones(data.shape[:3], bool)
    mask[3] = False
    maps = fit(gradients, data, write, tmp_path, mask=mask)
    for each in maps.values():
        assert np.isfinite(each).all()
        assert each[4, 1, 1] == 0
        assert not each[3].any()


def test_too_few_directions_is_an_error_that_says_so(table, write, tmp_path):
    gradients = table((0, 1), (1000, 12))
    with pytest.raises(InputError, match="12 distinct directions"):
        fit(gradients, np.ones((2, 2, 2, 13)), write, tmp_path)


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_figures_do_not_depend_on_how_voxels_are_shared_out(parts):
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(33, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    kernel = gqi_kernel(np.full(33, 1000.0), directions, np.zeros(33, bool))
    signals = rng.random((3400, 33), dtype=np.float32)
    shared = [odf_scalars(part, kernel) for part in np.array_split(signals, parts)]
    np.testing.assert_array_equal(np.concatenate(shared), odf_scalars(signals, kernel))
