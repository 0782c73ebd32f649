"""Our maps against MRtrix3's on a real scan: same frame, same order, close figures."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.gradients import read_gradients
from bids_sr.diffusion.mask import brain_mask
from bids_sr.diffusion.tensor import TENSOR_ORDER, _design, fit_tensor

DATA = Path(__file__).parents[3] / "shared" / "data" / "dwi-open"
SCANS = {
    "sub-philips02/dwi/sub-philips02_dwi": (40, 44),  # stored left-handed, axial
    "sub-prisma01/dwi/sub-prisma01_acq-HF_dwi": (22, 26),  # sagittal (P, S, R), left-handed
    "sub-sherbrooke01/dwi/sub-sherbrooke01_acq-1p8mm_dwi": (40, 43),  # right-handed
}

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
    lowest = np.linalg.eigvalsh(ours["tensor"][:, [0, 3, 4, 3, 1, 5, 4, 5, 2]].reshape(-1, 3, 3))
    positive = lowest[:, 0] > 0

    def mrtrix(tensor: str, *options: str) -> dict[str, np.ndarray]:
        if options:
            run(folder, "dwi2tensor", "dwi.nii.gz", tensor, "-fslgrad", bvec, bval, *options)
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
    theirs = mrtrix("tensor.nii.gz")
    for name, tolerance in {"fa": 1e-4, "md": 1e-8}.items():
        assert np.abs(ours[name] - theirs[name])[positive].max() < tolerance, name
    clear = positive & (ours["fa"] > 0.2)
    assert np.percentile(degrees(ours["v1"], theirs["v1"])[clear], 99) < 0.1


def test_an_ordinary_fit_on_our_design_is_theirs(scan):
    """Frame, sign convention and element order, to numerical precision."""
    _, mrtrix, _, (signals, design) = scan
    theirs = mrtrix("ols.nii.gz", "-ols", "-iter", "0")["tensor"]
    lower = np.log(signals) @ np.linalg.pinv(design).T
    assert np.abs(lower[:, TENSOR_ORDER] - theirs).max() < 1e-5  # mm2/s; they round b-values


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
