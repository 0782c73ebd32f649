from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel
from scipy.spatial.transform import Rotation

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.frames import world_directions
from bids_sr.diffusion.tensor import fit_tensor
from bids_sr.errors import InputError

EVALS = np.array([1.7e-3, 0.4e-3, 0.3e-3])
S0 = 850.0


def oblique(determinant: int) -> np.ndarray:
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag([-determinant * 2.0, 2.0, 3.0]) * [-1, 1, 1]
    affine[:3, 3] = [11, -5, 30]
    return affine


def planted(gradients: GradientTable, affine: np.ndarray, shape=(5, 4, 6), seed=3):
    """Signals of known world-frame tensors; returns (x, y, z, V) and the tensors."""
    rng = np.random.default_rng(seed)
    turns = Rotation.random(int(np.prod(shape)), rng=rng).as_matrix()
    tensors = np.einsum("nij,j,nkj->nik", turns, EVALS, turns).reshape(*shape, 3, 3)
    g = world_directions(gradients.bvecs, affine)
    decay = np.einsum("vi,xyzij,vj->xyzv", g, tensors, g)
    return S0 * np.exp(-gradients.bvals * decay), tensors, turns[:, :, 0].reshape(*shape, 3)


def load(maps):
    return {name: nib.load(path).get_fdata() for name, path in maps.paths.items()}


def out_in(folder):
    return lambda param: folder / f"{param}.nii.gz"


@pytest.mark.parametrize("determinant", [-1, 1])
@pytest.mark.parametrize("threads", [1, 2])
def test_planted_tensors_come_back(table, write, tmp_path, determinant, threads):
    gradients = table((0, 1), (1000, 20))
    affine = oblique(determinant)
    assert np.sign(np.linalg.det(affine)) == determinant
    data, tensors, v1 = planted(gradients, affine)
    mask = np.ones(data.shape[:3], bool)
    mask[0, 0] = False
    result = fit_tensor(
        write(data, affine),
        gradients,
        mask,
        out_in(tmp_path),
        threads=threads,
        block_bytes=4 * 5 * 4 * 21 * 2,  # two slices at a time
    )
    maps = load(result)
    md = EVALS.mean()
    fa = np.sqrt(1.5 * ((EVALS - md) ** 2).sum() / (EVALS**2).sum())
    for name, value in {
        "fa": fa, "md": md, "ad": EVALS[0], "rd": EVALS[1:].mean(), "s0": S0
    }.items():  # fmt: skip
        assert maps[name][mask] == pytest.approx(value, rel=1e-4), name
        assert not maps[name][~mask].any()
    elements = np.stack([tensors[..., i, j] for i, j in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]], -1)  # fmt: skip # noqa: E501
    assert np.abs(maps["tensor"] - elements)[mask].max() < 1e-7
    cosine = np.abs((maps["v1"] * v1).sum(-1))[mask]
    assert cosine.min() > 1 - 1e-5
    assert np.abs(maps["colorfa"] - fa * np.abs(v1))[mask].max() < 2e-3
    assert result.summary["negative_eigenvalue_fraction"] == 0
    assert result.summary["n_voxels"] == mask.sum()
    assert np.allclose(nib.load(result.paths["fa"]).affine, affine, atol=1e-5)


def test_colours_follow_anatomy_not_storage(table, write, tmp_path):
    """A left-right fibre is red although the image is stored sagittal (P, S, R)."""
    gradients = table((0, 1), (1000, 20))
    affine = np.array([[0, 0, 2.0, 0], [-2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1]])
    g = world_directions(gradients.bvecs, affine)
    signal = S0 * np.exp(-gradients.bvals * (g**2 @ EVALS))
    data = np.broadcast_to(signal, (3, 3, 3, 21))
    maps = load(
        fit_tensor(write(data, affine), gradients, np.ones((3, 3, 3), bool), out_in(tmp_path))
    )
    assert np.allclose(maps["colorfa"][1, 1, 1] / maps["fa"][1, 1, 1], [1, 0, 0], atol=1e-3)


def test_equal_to_dipy_on_noisy_signals(table, write, tmp_path):
    gradients = table((0, 2), (1000, 30))
    affine = np.diag([-2.0, 2, 2, 1])
    data, *_ = planted(gradients, affine)
    data = np.abs(data + np.random.default_rng(0).normal(scale=40, size=data.shape))
    data = data.astype(np.float32)
    maps = load(
        fit_tensor(write(data, affine), gradients, np.ones(data.shape[:3], bool), out_in(tmp_path))
    )
    bvecs = gradients.bvecs * [-1, 1, 1]  # voxel axis x runs to the left here
    theirs = TensorModel(
        gradient_table(gradients.bvals, bvecs=bvecs), fit_method="WLS", return_S0_hat=True
    ).fit(data.astype(float))
    for name in ("fa", "md", "ad", "rd"):
        assert maps[name] == pytest.approx(getattr(theirs, name), rel=1e-4), name
    assert maps["s0"] == pytest.approx(theirs.S0_hat, rel=1e-4)
    assert np.abs((maps["v1"] * theirs.evecs[..., 0]).sum(-1)).min() > 1 - 1e-5


def test_negative_eigenvalues_are_counted_before_clipping(table, write, tmp_path):
    gradients = table((0, 1), (1000, 20))
    affine = np.diag([-2.0, 2, 2, 1])
    g = world_directions(gradients.bvecs, affine)
    good = np.diag([1e-3, 1e-3, 1e-3])
    bad = np.diag([1e-3, 1e-3, -4e-4])
    tensors = np.stack([good] * 6 + [bad] * 2).reshape(2, 2, 2, 3, 3)
    data = 500 * np.exp(-gradients.bvals * np.einsum("vi,xyzij,vj->xyzv", g, tensors, g))
    result = fit_tensor(write(data, affine), gradients, np.ones((2, 2, 2), bool), out_in(tmp_path))
    maps = load(result)
    assert result.summary["negative_eigenvalue_fraction"] == 0.25
    assert maps["fa"].max() <= 1
    assert maps["tensor"][1, 1, 1, 5] == pytest.approx(-4e-4, rel=1e-4), "written as fitted"
    assert maps["md"][1, 1, 1] == pytest.approx(2e-3 / 3, rel=1e-4), "from clipped eigenvalues"


def test_zero_and_negative_signals_neither_break_nor_rule_the_fit(table, write, tmp_path):
    gradients = table((0, 1), (1000, 30))
    affine = np.diag([-2.0, 2, 2, 1])
    data, *_ = planted(gradients, affine)
    clean = write(data, affine, "clean")
    data[2, 2, 2, 5] = -3  # one dropped sample
    data[1, 1, 1] = 0  # no signal at all
    mask = np.ones(data.shape[:3], bool)
    maps = load(fit_tensor(clean, gradients, mask, out_in(tmp_path)))
    result = fit_tensor(write(data, affine), gradients, mask, out_in(tmp_path / "holes"))
    holes = load(result)
    assert all(np.isfinite(each).all() for each in holes.values())
    assert abs(holes["md"] - maps["md"])[2, 2, 2] < 0.25 * maps["md"][2, 2, 2]
    assert not any(each[1, 1, 1].any() for each in holes.values())
    assert result.summary["unfitted_fraction"] == pytest.approx(1 / mask.sum())
    assert result.summary["floored_fraction"] == pytest.approx(1 / data.size, rel=1e-3)


def test_only_the_maps_asked_for_are_written(table, write, tmp_path):
    gradients = table((0, 1), (1000, 20))
    data, *_ = planted(gradients, np.diag([-2.0, 2, 2, 1]))
    path = write(data, np.diag([-2.0, 2, 2, 1]))
    result = fit_tensor(
        path,
        gradients,
        np.ones(data.shape[:3], bool),
        {"fa": tmp_path / "a.nii.gz"},
        params=("fa",),
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii.gz", "dwi.nii.gz"]
    assert result.volumes == tuple(range(21))


def test_empty_mask_gives_empty_maps(table, write, tmp_path):
    gradients = table((0, 1), (1000, 20))
    data, *_ = planted(gradients, np.diag([-2.0, 2, 2, 1]))
    path = write(data, np.diag([-2.0, 2, 2, 1]))
    result = fit_tensor(path, gradients, np.zeros(data.shape[:3], bool), out_in(tmp_path))
    assert not load(result)["fa"].any()
    assert result.summary["n_voxels"] == 0


def test_too_few_directions_is_an_error_that_says_so(table, write, tmp_path):
    gradients = table((0, 1), (1000, 5))
    path = write(np.ones((2, 2, 2, 6)), np.eye(4))
    with pytest.raises(InputError, match="5 distinct directions"):
        fit_tensor(path, gradients, np.ones((2, 2, 2), bool), out_in(tmp_path))


def test_the_floor_is_a_share_of_the_b0(table, write, tmp_path):
    """Of it, not of the weighted signals; and a voxel is fitted where there is a b0."""
    gradients = table((0, 2), (1000, 20))
    data = np.full((3, 1, 1, 22), 100.0)
    data[..., :2] = 1000
    data[0, 0, 0, [5, 10]] = 0.5  # a two-thousandth of the b0: the floor is a thousandth
    data[1, 0, 0, :2] = 0  # no b0
    data[2, 0, 0, 2:] = 0  # nothing but b0
    mask = np.ones((3, 1, 1), bool)
    result = fit_tensor(write(data, np.eye(4)), gradients, mask, out_in(tmp_path))
    assert result.summary["unfitted_fraction"] == pytest.approx(1 / 3)
    assert result.summary["floored_fraction"] == pytest.approx((2 + 20) / 66)
    raised = np.maximum(data, 1.0)
    raised[1, 0, 0, :2] = 0
    same = fit_tensor(write(raised, np.eye(4), "b"), gradients, mask, out_in(tmp_path / "b"))
    assert same.summary["floored_fraction"] == 0
    maps, expected = load(result), load(same)
    for name in ("md", "fa", "s0", "tensor"):
        np.testing.assert_allclose(maps[name], expected[name], rtol=1e-4, atol=1e-9)
    assert not maps["md"][1] and maps["md"][2] == pytest.approx(np.log(1000) / 1000, rel=1e-3)
