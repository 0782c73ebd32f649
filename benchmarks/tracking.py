"""Compare streamlines of a scan, of its super-resolved series, and of that in isotropic voxels.

FODs by MRtrix3 (one shell), iFOD2 with its default lengths and with given ones. Densities of
streamlines on the grid of the scan are compared with those of the super-resolved series. Prints two
Markdown tables.

    python benchmarks/tracking.py OUT/sub-X/dwi/sub-X --raw DATA/sub-X/dwi/sub-X_dwi --work FOLDER
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np

LENGTHS = ("-step", "0.5", "-angle", "45", "-minlength", "10", "-maxlength", "250")
DEFAULTS = ("step_size", "min_dist", "max_dist")


def call(folder: Path, *words: object, seed: int = 1) -> str:
    """Run a command of MRtrix3 in a folder and return what it printed."""
    environment = {**os.environ, "MRTRIX_RNG_SEED": str(seed)}
    done = subprocess.run(
        [*map(str, words), "-quiet", *(["-force"] if words[0] != "tckstats" else [])],
        cwd=folder, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


def make_fods(folder: Path, name: str, series: Path, masks: tuple[Path, Path], lmax: int) -> None:
    """Write NAME.mif, NAME-mask.mif, NAME-response.txt and NAME-fod.mif."""
    gradients = (f"{series}.bvec", f"{series}.bval")
    call(folder, "mrconvert", f"{series}.nii.gz", f"{name}.mif", "-fslgrad", *gradients)
    brain, fa = masks
    regrid = ("regrid", "-template", f"{name}.mif", "-interp", "nearest")
    call(folder, "mrgrid", brain, *regrid, f"{name}-mask.mif")
    call(folder, "mrthreshold", fa, "-abs", 0.5, "white.mif")
    response = f"{name}-response.txt"
    call(folder, "dwi2response", "tournier", f"{name}.mif", response, "-mask", "white.mif")
    deconvolve(folder, name, response, lmax)


def deconvolve(folder: Path, name: str, response: str, lmax: int) -> None:
    """Write NAME-fod.mif."""
    files = (f"{name}.mif", response, f"{name}-fod.mif", "-mask", f"{name}-mask.mif")
    call(folder, "dwi2fod", "csd", *files, "-lmax", lmax)


def track(
    folder: Path, name: str, lengths: tuple[str, ...], count: int, seed: int = 1
) -> tuple[dict[str, str], float, np.ndarray]:
    """Track; return tckgen's lengths, the mean length (mm), and the density on the scan's grid."""
    mask = ("-seed_image", f"{name}-mask.mif", "-mask", f"{name}-mask.mif")
    call(folder, "tckgen", f"{name}-fod.mif", "a.tck", *mask, "-select", count, *lengths, seed=seed)
    told = call(folder, "tckinfo", "a.tck").splitlines()
    fields = dict(line.strip().split(":", 1) for line in told if line.count(":") == 1)
    mean = float(call(folder, "tckstats", "a.tck", "-output", "mean"))
    call(folder, "tckmap", "a.tck", "-template", "input.mif", "density.nii")
    density = np.asanyarray(nib.load(folder / "density.nii").dataobj).ravel()
    return {key: fields[key].strip() for key in DEFAULTS}, mean, density


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stem", type=Path, help="output of bids-sr, up to the name of the run")
    parser.add_argument("--raw", type=Path, required=True, help="the scan, without ending")
    parser.add_argument("--lmax", type=int, default=4)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    folder, stem = given.work.resolve(), str(given.stem.resolve())
    folder.mkdir(parents=True, exist_ok=True)
    brain, fa = Path(f"{stem}_res-x2_desc-brain_mask.nii.gz"), f"{stem}_model-tensor_param-fa"
    masks = [(brain, Path(f"{fa}_{which}_dwimap.nii.gz")) for which in ("desc-input", "res-x2")]
    make_fods(folder, "input", given.raw.resolve(), masks[0], given.lmax)
    make_fods(folder, "sr", Path(f"{stem}_res-x2_desc-sr_dwi"), masks[1], given.lmax)
    call(folder, "mrgrid", "sr.mif", "regrid", "-voxel", 1, "-interp", "sinc", "signed.mif")
    call(folder, "mrcalc", "signed.mif", 0, "-max", "iso.mif")
    regrid = ("regrid", "-template", "iso.mif", "-interp", "nearest")
    call(folder, "mrgrid", brain, *regrid, "iso-mask.mif")
    deconvolve(folder, "iso", "sr-response.txt", given.lmax)
    least = call(folder, "mrstats", "signed.mif", "-output", "min", "-allvolumes")
    print(f"least value after sinc: {least.strip()}\n")
    print(
        "| | response | step | min | max | mean, default | mean, given |\n|---" + "|---" * 6 + "|"
    )
    for name in ("input", "sr"):
        values = np.loadtxt(folder / f"{name}-response.txt")[:3]
        lengths, default, _ = track(folder, name, (), given.count)
        _, mean, _ = track(folder, name, LENGTHS, given.count)
        cells = (
            ", ".join(f"{value:.0f}" for value in values),
            *(f"{float(lengths[key]):.2f}" for key in DEFAULTS),
        )
        print(f"| {name} | " + " | ".join(cells) + f" | {default:.1f} | {mean:.1f} |", flush=True)
    reference = track(folder, "sr", LENGTHS, given.count)[2]
    print("\n| | mean | correlation with sr |\n|---|---|---|")
    for name, seed in (("sr", 2), ("iso", 1), ("input", 1)):
        _, mean, density = track(folder, name, LENGTHS, given.count, seed)
        same = np.corrcoef(reference, density)[0, 1]
        print(f"| {name}, seed {seed} | {mean:.1f} | {same:.3f} |", flush=True)


if __name__ == "__main__":
    main()
