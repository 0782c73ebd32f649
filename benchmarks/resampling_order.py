"""Tell what resampling costs before and after super-resolution.

Head positions are planted in a scan that is then reduced to half its resolution in plane, as a
scanner would have measured it: one position for all volumes, as before an alignment to a template,
or a new one for each volume, as with motion. Positions differ by a rotation about the slice axis
and a shift in plane. The series is aligned again with the known positions, by cubic B-splines,
either after super-resolution or before, and both are compared with the denoised scan. Prints a
Markdown table.

    python benchmarks/resampling_order.py DATASET [--participant-label philips02]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from attrs import evolve
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.evaluation.degraded_scan import (
    DegradedScan,
    choose_run,
    degrade,
    make_degraded_scan,
)
from bids_sr.evaluation.scores import fidelity, fit_maps, map_errors
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.images.zero_filling import to_acquired
from bids_sr.networks.registry import load_card
from bids_sr.quality.interpolation import interpolate
from bids_sr.superres.engine import super_resolve

CASES = (
    ("one, turned by 5 deg", "same", 5.0, 1.5),
    ("each volume, sd 0.25 deg, 0.25 mm", "each", 0.25, 0.25),
    ("each volume, sd 0.5 deg, 0.5 mm", "each", 0.5, 0.5),
    ("each volume, sd 1 deg, 1 mm", "each", 1.0, 1.0),
    ("each volume, sd 2 deg, 2 mm", "each", 2.0, 2.0),
)
"""Name, which volumes have a position of their own, and its degrees and mm."""
WAYS = (
    "sinc, then aligned",
    "aligned, then sinc",
    "network, then aligned",
    "aligned, then network",
)
COLUMNS = ("psnr_b0", "psnr_dwi", "fa_mae", "v1_deg")


def positions(kind: str, degrees: float, mm: float, volumes: int, seed: int = 0) -> NDArray:
    """Return (volumes, 3): rotation, rad, and shifts along both in-plane axes, mm."""
    if kind == "same":
        return np.tile([np.deg2rad(degrees), mm, -mm], (volumes, 1))
    drawn = np.random.default_rng(seed).normal(size=(volumes, 3))
    drawn -= drawn[0]  # the first volume is the one to align to
    return drawn / np.sqrt(2) * [np.deg2rad(degrees), mm, mm]


def moved(
    volume: NDArray[np.float32],
    position: NDArray,
    voxel: tuple[float, float],
    order: int,
    *,
    back: bool,
) -> NDArray[np.float32]:
    """Move slices (x, y) of a volume about the centre of the field of view, or move them back."""
    angle, shift = position[0], position[1:]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # where to read (mm) = turn @ (where to write) + shift; inverted for the way back
    matrix, offset = (turn.T, -turn.T @ shift) if back else (turn, shift)
    scale = np.diag(voxel)
    centre = (np.array(volume.shape[:2]) - 1) / 2
    inside = np.linalg.inv(scale) @ matrix @ scale
    start = centre - inside @ centre + offset / voxel
    made = [
        affine_transform(slice_, inside, start, order=order, mode="constant")
        for slice_ in np.moveaxis(volume, 2, 0)
    ]
    return np.moveaxis(np.maximum(made, 0), 0, 2).astype(np.float32)


def rewrite(source: Path, out: Path, shape: tuple[int, ...], affine: NDArray, change) -> None:
    """Write a series of which each volume is changed by `change(volume, index)`."""
    with DwiReader(source) as reader:
        volumes = reader.shape[3]
        with VolumeWriter(out, (*shape, volumes), affine, like=reader.meta) as writer:
            for index in range(volumes):
                writer.write(change(reader.volume(index), index))


def make_ways(degraded: DegradedScan, scan: Path, where: NDArray, card, folder: Path, options):
    """Yield the name and the series of each way to align and to super-resolve."""
    grid = degraded.grid
    (fine, affine), factor = grid.high_resolution, grid.factor
    large = tuple(np.linalg.norm(affine[:3, :2], axis=0))
    small = tuple(factor * side for side in large)

    def put(volume, index):
        return degrade(moved(volume, where[index], large, 5, back=False), grid)

    def align(voxel):
        return lambda volume, index: moved(volume, where[index], voxel, 3, back=True)

    def sinc(volume, _):
        return np.maximum(interpolate(volume, factor, "sinc", grid.slice_axis), 0)

    names = ("measured", "aligned", "large", "final")
    measured, aligned, big, final = (folder / f"{name}.nii" for name in names)
    rewrite(scan, measured, grid.shape, grid.affine, put)
    rewrite(measured, aligned, grid.shape, grid.affine, align(small))
    for way in WAYS:
        first = way.startswith("aligned")
        source, out = (aligned, final) if first else (measured, big)
        if "sinc" in way:
            rewrite(source, out, fine, affine, sinc)
        else:
            run = evolve(degraded.lr, files=evolve(degraded.lr.files, dwi=source))
            super_resolve(run, card, out, slice_axis=grid.slice_axis, **options)
        if not first:
            rewrite(big, final, fine, affine, align(large))
        yield way, final


def score_row(
    degraded: DegradedScan, reference: dict[str, Path], label: str, path: Path, threads: int
) -> str:
    """Return a row of the table: the scores of one result."""
    maps = fit_maps(degraded, path, threads, gqi=False)
    scores = fidelity(degraded, path) | map_errors(degraded, reference, maps)
    cells = (f"{scores[key]:.{4 if key == 'fa_mae' else 2}f}" for key in COLUMNS)
    return f"| {label} | " + " | ".join(cells) + " |"


def add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the scan, and how the network is run."""
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--participant-label", default="philips02")
    parser.add_argument("--run", help="label of the run, if there are several")
    parser.add_argument("--slices", metavar="FIRST:END", help="only these, for a quick answer")
    parser.add_argument("--ensemble", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, help="keeps the denoised scan from call to call")
    return parser


def open_scan(given: argparse.Namespace, folder: Path) -> tuple[DwiRun, DegradedScan]:
    """Return the scan, and the same at half its resolution in plane."""
    run = choose_run(given.dataset, given.participant_label, given.run)
    if given.slices:
        first, end = map(int, given.slices.split(":"))
        image = nib.load(run.files.dwi).slicer[:, :, first:end]
        image.to_filename(folder / "slab.nii")
        files = evolve(run.files, dwi=folder / "slab.nii", mask=None)
        run = DwiRun(files, run.gradients, image.shape)
    work = given.work or folder
    work.mkdir(parents=True, exist_ok=True)
    run = to_acquired(run, folder / "acquired.nii", whole=True)
    return run, make_degraded_scan(run, 2, 1, folder, reference="denoised", work=work)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given = add_arguments(parser).parse_args()
    options = {"device": "cpu", "threads": given.threads, "ensemble": given.ensemble}
    card = load_card("shallow-x2", 2)
    print("| positions | order | " + " | ".join(COLUMNS) + " |\n|---|---|" + "---|" * len(COLUMNS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run, degraded = open_scan(given, folder)
        if degraded.grid.slice_axis != 2:
            parser.error("only scans with slices along k")
        reference = fit_maps(degraded, degraded.truth, given.threads, gqi=False)
        for case, *planted in CASES:
            where = positions(*planted, degraded.lr.shape[3])
            for way, path in make_ways(degraded, run.files.dwi, where, card, folder, options):
                row = score_row(degraded, reference, f"{case} | {way}", path, given.threads)
                print(row, flush=True)


if __name__ == "__main__":
    main()
