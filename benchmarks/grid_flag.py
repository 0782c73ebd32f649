"""What the lattice fold says of networks with a grid, of networks without, and of interpolation.

Super-resolves some slices of scans at their own resolution, as the app does, by each network and
by cubic and sinc interpolation, and prints the metrics that the grid flag rests on, with the
flag's verdict. The limits in `bids_sr.quality.verdict` were chosen from this table.

    python benchmarks/grid_flag.py DATASET --participant-label philips02 canon01 \
        --model shallow-x2 shallow-x3 study-out/models/isolation-4 study-out/models/isolation-5
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from attrs import evolve

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.bids.training_runs import find_training_runs
from bids_sr.diffusion.mask import brain_mask
from bids_sr.diffusion.run_masks import mean_b0
from bids_sr.diffusion.tensor import fit_tensor
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.images.grid import SliceGrid, from_slices, to_slices
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.images.runs import open_run
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.networks.registry import find_card
from bids_sr.quality.closeup import CloseUp
from bids_sr.quality.interpolation import interpolate
from bids_sr.quality.map_metrics import fa_lattice
from bids_sr.quality.periods import ALL_PERIODS
from bids_sr.quality.series_context import VolumePair, choose_slices, choose_volumes, make_context
from bids_sr.quality.verdict import FAIL, quality_lights
from bids_sr.superres.engine import super_resolve

CLASSICAL = ("linear", "cubic", "sinc")
METRICS = {"F, weighted": "f_dwi", "A, weighted": "a_dwi", "F, FA": "f_fa", "A, FA": "a_fa"}


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bids_dir", type=Path)
    parser.add_argument("--participant-label", nargs="+", required=True)
    parser.add_argument("--model", nargs="+", default=[], help="names or folders")
    parser.add_argument("--scale", nargs="+", type=int, default=[2], help="of interpolations")
    parser.add_argument("--ensemble", type=int, default=4, choices=(1, 2, 4, 8))
    parser.add_argument("--slices", type=int, default=16, help="evenly spread over the brain")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-data-consistency", dest="consistent", action="store_false")
    parser.add_argument("--out", type=Path, help="JSON file for all metrics")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    titles = ["run", "by", *(f"{name} at {ALL_PERIODS}" for name in METRICS), "grid"]
    sys.stdout.write(_line(titles) + "|---" * len(titles) + "|\n")
    told = []
    for files in find_training_runs(options.bids_dir, tuple(options.participant_label)):
        for method, metrics in _metrics(open_run(files), options):
            flag = ", ".join(_flagged(metrics)) or "no"
            told.append({"run": files.label, "by": method, "grid": flag, **metrics})
            cells = [_by_period(metrics, key) for key in METRICS.values()]
            sys.stdout.write(_line([files.label, method, *cells, flag]))
            sys.stdout.flush()
            if options.out:
                options.out.write_text(json.dumps(told, indent=1))


def _metrics(run: DwiRun, options: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the metrics of each network and interpolation of a run."""
    with tempfile.TemporaryDirectory() as name:
        few, mask, axis = _thinned(run, Path(name), options.slices)
        sr = Path(name) / "sr.nii.gz"
        classical = [(method, factor) for factor in options.scale for method in CLASSICAL]
        for method, factor in classical:
            _interpolate(few, method, sr, axis, factor)
            metrics = _measure(few, sr, mask, axis, factor, options.threads)
            yield f"{method} x{factor}", metrics
        for method in options.model:
            card = find_card(method)
            super_resolve(
                few,
                card,
                sr,
                device="cpu",
                threads=options.threads,
                data_consistency=options.consistent,
                ensemble=options.ensemble,
                slice_axis=axis,
                progress=lambda: None,
            )
            yield _name(method), _measure(few, sr, mask, axis, card.factor, options.threads)


def _name(method: str) -> str:
    """Return the name of a network; the study keeps each in a folder ``model`` of its row."""
    path = Path(method)
    return path.parent.name if path.name == "model" else path.name


def _thinned(run: DwiRun, folder: Path, count: int) -> tuple[DwiRun, np.ndarray, int]:
    """Keep evenly spread slices, and the volumes that the metrics are made of."""
    with DwiReader(run.files.dwi) as reader:
        axis = slice_axis_of(run, reader.meta)
        mask = brain_mask(mean_b0(run), reader.zooms)
        slices = choose_slices(to_slices(mask, axis), count)
        volumes = sorted({*choose_volumes(run.gradients), *dti_volumes(run.gradients).indices})
        shape = tuple(len(slices) if a == axis else n for a, n in enumerate(reader.shape[:3]))
        path = folder / "few.nii.gz"
        with VolumeWriter(path, (*shape, len(volumes)), reader.affine, like=reader.meta) as out:
            for index in volumes:
                out.write(np.take(reader.volume(int(index)), slices, axis))
    table = run.gradients
    gradients = GradientTable(table.bvals[volumes], table.bvecs[volumes])
    x, y, z = shape
    files = evolve(run.files, dwi=path, mask=None, name=run.files.label)
    return DwiRun(files, gradients, (x, y, z, len(volumes))), np.take(mask, slices, axis), axis


def _interpolate(run: DwiRun, method: str, out: Path, axis: int, factor: int) -> None:
    with DwiReader(run.files.dwi) as reader:
        shape, affine = SliceGrid(reader.shape[:3], reader.affine, axis, factor).high_resolution
        with VolumeWriter(out, (*shape, reader.shape[3]), affine, like=reader.meta) as writer:
            for index in range(reader.shape[3]):
                fine = interpolate(reader.volume(index), factor, method, axis)
                writer.write(np.maximum(fine, 0))


def _measure(
    run: DwiRun, sr: Path, mask: np.ndarray, axis: int, factor: int, threads: int
) -> dict[str, float]:
    inside = to_slices(mask, axis)
    fine_mask = from_slices(inside.repeat(factor, axis=1).repeat(factor, axis=2), axis)
    with DwiReader(run.files.dwi) as lr, DwiReader(sr) as fine:
        grid = SliceGrid(lr.shape[:3], lr.affine, axis, factor)
        context = make_context(run.gradients, grid, mask, fine_mask)
        look = CloseUp(context)
        for index in sorted(context.volumes):
            pair = [to_slices(reader.volume(index), axis) for reader in (lr, fine)]
            look.add(VolumePair(index, context.shells[index], False, *pair))
    metrics, _ = look.result()
    if not dti_volumes(run.gradients).reason:
        paths = {p: sr.with_name(f"{p}.nii.gz") for p in ("fa", "md", "v1")}
        maps = fit_tensor(
            sr, run.gradients, fine_mask, paths.__getitem__, params=("fa",), threads=threads
        )
        metrics |= fa_lattice(maps, fine_mask, grid)[0]
    kept = {key: float(value) for key, value in metrics.items() if key.startswith("grid_")}
    return {**kept, "scale_factor": factor}


def _flagged(metrics: dict[str, float]) -> list[str]:
    lights = quality_lights(metrics, {})
    names = {"grid_dwi": "weighted", "grid_fa": "FA"}
    return [names[x.key] for x in lights if x.key in names and x.status == FAIL]


def _by_period(metrics: dict[str, float], key: str) -> str:
    values = [metrics.get(f"grid_{key}_p{period}_sr", float("nan")) for period in ALL_PERIODS]
    return " / ".join(
        "-" if value != value else f"{value:.2f}" if key[0] == "a" else f"{value:.3g}"
        for value in values
    )


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    main()
