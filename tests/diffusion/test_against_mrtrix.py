"""Our maps against MRtrix3's on real scans: same frame, known order, close figures."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.gradients import read_gradients
from bids_sr.bids.names import TENSOR_PARAMS
from bids_sr.diffusion.mask import brain_mask
from bids_sr.diffusion.tensor import TENSOR_ORDER, _design, fit_tensor

DATA = Path(__file__).parents[3] / "shared" / "data" / "dwi-open"
SCANS = {
    "sub-philips02/dwi/sub-philips02_dwi": (40, 44),  # stored left-handed, axial
    "sub-prisma01/dwi/sub-prisma01_acq-HF_dwi": (22, 26),  # sagittal (P, S, R), left-handed
    "sub-sherbrooke01/dwi/sub-sherbrooke01_acq-1p8mm_dwi": (40, 43),  # right-handed
}

TO_MRTRIX = "0,3,5,1,2,4"
"""Our components D11, D12, D13, D22, D23, D33 in the order of MRtrix3, as in docs/standards.md."""
FROM_MRTRIX = (0, 3, 4, 1, 5, 2)

pytestmark = pytest.mark.skipif(
    not shutil.which("dwi2tensor") or not DATA.is_dir(), reason="needs MRtrix3 and ../shared"
)


@pytest.fixture(scope="module", params=SCANS, ids=lambda stem: stem.split("/")[0])
def scan(request, tmp_path_factory):
    """A few slices of a scan, fitted by both programs."""
    folder = tmp_path_factory.mktemp("mrtrix")
    stem = DATA / request.param
    start, stop = SCANS[request.param]
    image = nib.load(f"{stem}.nii.gz").slicer[:, :, start:stop]
    nib.save(image, folder / "dwi.nii.gz")
    bval, bvec = Path(f"{stem}.bval"), Path(f"{stem}.bvec")
    gradients = read_gradients(bval, bvec, image.shape[3])
    data = image.get_fdata(dtype=np.float32)
    # MRtrix3 gives NaN where a sample is zero
    mask = brain_mask(data[..., gradients.is_b0].mean(-1)) & (data.min(-1) > 0)
    fit = fit_tensor(folder / "dwi.nii.gz", gradients, mask, lambda p: folder / f"{p}.nii.gz")
    ours = {name: nib.load(path).get_fdata()[mask] for name, path in fit.paths.items()}
    lowest = np.linalg.eigvalsh(ours["tensor"][:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3))
    positive = lowest[:, 0] > 0

    def mrtrix(tensor: str, *options: str) -> dict[str, np.ndarray]:
        if options:
            run(folder, "dwi2tensor", "dwi.nii.gz", tensor, "-fslgrad", bvec, bval, *options)
        else:
            run(folder, "mrconvert", "tensor.nii.gz", "-coord", "3", TO_MRTRIX, tensor)
        run(folder, "tensor2metric", tensor, "-fa", "mfa.nii.gz", "-adc", "mmd.nii.gz",
            "-vector", "mv1.nii.gz", "-modulate", "none")  # fmt: skip
        files = {"fa": "mfa", "md": "mmd", "v1": "mv1", "tensor": tensor.split(".")[0]}
        return {k: nib.load(folder / f"{v}.nii.gz").get_fdata()[mask] for k, v in files.items()}

    design = _design(gradients, list(range(gradients.n_volumes)), image.affine)
    return ours, mrtrix, positive, (data[mask].astype(float), design)


def run(folder: Path, *command: object) -> None:
    words = [str(word) for word in command]
    subprocess.run([*words, "-force", "-quiet"], cwd=folder, check=True)


def degrees(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.abs((one * other).sum(-1)).clip(0, 1)))


def test_mrtrix_reads_our_tensor_as_we_mean_it(scan):
    ours, mrtrix, positive, _ = scan
    theirs = mrtrix("reordered.nii.gz")
    for name, tolerance in {"fa": 1e-4, "md": 1e-8}.items():
        assert np.abs(ours[name] - theirs[name])[positive].max() < tolerance, name
    clear = positive & (ours["fa"] > 0.2)
    assert np.percentile(degrees(ours["v1"], theirs["v1"])[clear], 99) < 0.1


def test_an_ordinary_fit_on_our_design_is_theirs(scan):
    """Frame, sign convention and element order, to numerical precision."""
    _, mrtrix, _, (signals, design) = scan
    theirs = mrtrix("ols.nii.gz", "-ols", "-iter", "0")["tensor"]
    lower = np.log(signals) @ np.linalg.pinv(design).T
    theirs = theirs[:, FROM_MRTRIX]
    assert np.abs(lower[:, TENSOR_ORDER] - theirs).max() < 1e-5  # mm2/s; they round b-values


def test_the_guide_has_the_order_that_is_tested():
    text = (Path(__file__).parents[2] / "docs" / "standards.md").read_text(encoding="utf-8")
    assert f"-coord 3 {TO_MRTRIX} " in text


def test_storage_does_not_change_directions(tmp_path):
    """One scan stored left-handed, and right-handed with the same bvecs, as FSL defines them."""
    stem = DATA / "sub-philips02/dwi/sub-philips02_dwi"
    image = nib.load(f"{stem}.nii.gz").slicer[:, :, 40:42]
    assert np.linalg.det(image.affine) < 0
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = image.shape[0] - 1
    stored = {
        "left": image,
        "right": nib.Nifti1Image(image.get_fdata()[::-1], image.affine @ flip),
    }
    gradients = read_gradients(Path(f"{stem}.bval"), Path(f"{stem}.bvec"), image.shape[3])
    mask = brain_mask(image.get_fdata(dtype=np.float32)[..., gradients.is_b0].mean(-1))
    maps = {}
    for name, one in stored.items():
        (tmp_path / name).mkdir()
        nib.save(one, tmp_path / name / "dwi.nii.gz")
        inside = mask if name == "left" else mask[::-1]
        paths = {p: tmp_path / name / f"{p}.nii.gz" for p in TENSOR_PARAMS}
        fit = fit_tensor(tmp_path / name / "dwi.nii.gz", gradients, inside, paths)
        maps[name] = {key: nib.load(path).get_fdata() for key, path in fit.paths.items()}
    for key, tolerance in {"tensor": 1e-5, "colorfa": 1e-2}.items():  # mm2/s; of 1
        assert np.abs(maps["left"][key] - maps["right"][key][::-1]).max() < tolerance, key
    clear = maps["left"]["fa"] > 0.2
    apart = degrees(maps["left"]["v1"], maps["right"]["v1"][::-1])[clear]
    assert np.percentile(apart, 99) < 0.1


def test_maps_agree_with_their_default_fit(scan):
    """Theirs reweights twice from the signals, ours once from an ordinary fit."""
    ours, mrtrix, positive, _ = scan
    theirs = mrtrix("iwls.nii.gz", "-iter", "2")
    for name, middle, far in [("fa", 0.004, 0.05), ("md", 1e-6, 5e-5)]:
        difference = np.abs(ours[name] - theirs[name])[positive]
        assert np.median(difference) < middle, name
        assert np.percentile(difference, 95) < far, name
    white = positive & (ours["fa"] > 0.25)
    assert np.median(degrees(ours["v1"], theirs["v1"])[white]) < 0.5
