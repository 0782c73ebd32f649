"""MRtrix3 and dipy read the output of a whole run from its files, and agree with its maps."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "dwi-small"
STEM = "sub-philips02_res-x2"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The example's output; the shipped network, once over."""
    from bids_sr.app.main import main

    folder = tmp_path_factory.mktemp("out")
    words = [EXAMPLE, folder / "out", "participant", "--nprocs", "1", "--device", "cpu"]
    words += ["--ensemble", "1", "--self-check", "off", "--skip-bids-validation"]
    assert main([str(word) for word in words]) == 0
    return folder / "out" / "sub-philips02" / "dwi"


@pytest.fixture(scope="module")
def ours(out):
    def read(name):
        return nib.load(out / f"sub-philips02_{name}.nii.gz").get_fdata()

    mask = read("res-x2_desc-brain_mask") > 0
    fa = read("model-tensor_param-fa_res-x2_dwimap")
    v1 = read("model-tensor_param-v1_res-x2_dwimap")
    return mask & (fa > 0), mask & (fa > 0.3), fa, v1


@pytest.fixture(scope="module")
def mrtrix(out, tmp_path_factory):
    """What MRtrix3 makes of the series, of its gradients and mask."""
    if not shutil.which("mrconvert"):
        pytest.skip("needs MRtrix3")
    folder = tmp_path_factory.mktemp("mrtrix")
    dwi = out / f"{STEM}_desc-sr_dwi"

    def run(*words):
        subprocess.run(
            [str(word) for word in words] + ["-force", "-quiet", "-nthreads", "1"],
            cwd=folder,
            check=True,
        )

    run("mrconvert", f"{dwi}.nii.gz", "dwi.mif", "-fslgrad", f"{dwi}.bvec", f"{dwi}.bval")
    run("dwi2mask", "dwi.mif", "mask.nii.gz")
    run("dwi2tensor", "dwi.mif", "tensor.nii.gz", "-mask", out / f"{STEM}_desc-brain_mask.nii.gz")
    run("tensor2metric", "tensor.nii.gz", "-fa", "fa.nii.gz", "-vector", "v1.nii.gz",
        "-modulate", "none")  # fmt: skip
    return folder


def degrees(one, other):
    return np.degrees(np.arccos(np.abs((one * other).sum(-1)).clip(0, 1)))


@pytest.mark.slow
def test_mrtrix_agrees_on_fa_and_directions(ours, mrtrix):
    inside, white, fa, v1 = ours
    theirs = nib.load(mrtrix / "fa.nii.gz").get_fdata()
    assert np.median(np.abs(theirs - fa)[inside]) < 0.01
    assert np.percentile(np.abs(theirs - fa)[inside], 95) < 0.08
    direction = nib.load(mrtrix / "v1.nii.gz").get_fdata()
    assert np.median(degrees(direction, v1)[white]) < 1


@pytest.mark.slow
def test_mrtrix_finds_a_brain_in_it(ours, mrtrix):
    inside, _, _, _ = ours
    found = nib.load(mrtrix / "mask.nii.gz").get_fdata() > 0
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.85


@pytest.mark.slow
def test_its_gradient_directions_are_where_fibres_run(out, mrtrix, tmp_path):
    """dwigradcheck tries flips and permutations: of ours, none gives longer streamlines."""
    if not shutil.which("dwigradcheck"):
        pytest.skip("needs MRtrix3's scripts")
    table = tmp_path / "best.b"
    subprocess.run(
        [
            *("dwigradcheck", mrtrix / "dwi.mif"),
            *("-mask", out / f"{STEM}_desc-brain_mask.nii.gz"),
            *("-number", "500", "-export_grad_mrtrix", table, "-nthreads", "1", "-quiet"),
            *("-scratch", tmp_path),
        ],
        check=True,
        capture_output=True,
    )
    kept = subprocess.run(
        ["mrinfo", mrtrix / "dwi.mif", "-dwgrad"], check=True, capture_output=True, text=True
    ).stdout
    given = np.array([[float(word) for word in line.split()] for line in kept.splitlines()])
    best = np.loadtxt(table)
    weighted = given[:, 3] > 50
    # the sign of an axis as a whole says nothing
    assert degrees(best[weighted, :3], given[weighted, :3]).max() < 1


@pytest.mark.slow
def test_dipy_agrees_on_fa_and_directions(out, ours):
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    inside, white, fa, v1 = ours
    dwi = out / f"{STEM}_desc-sr_dwi"
    image = nib.load(f"{dwi}.nii.gz")
    bvals, bvecs = np.loadtxt(f"{dwi}.bval"), np.loadtxt(f"{dwi}.bvec")
    fit = TensorModel(gradient_table(bvals, bvecs=bvecs.T)).fit(image.get_fdata(), mask=inside)
    assert np.median(np.abs(fit.fa - fa)[inside]) < 0.01
    # dipy knows no image: its directions run along FSL's axes, x mirrored if stored right-handed
    linear = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    theirs = fit.evecs[..., 0] * ([-1, 1, 1] if np.linalg.det(linear) > 0 else [1, 1, 1])
    assert np.median(degrees(theirs @ linear.T, v1)[white]) < 1
