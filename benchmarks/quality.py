"""Score a network against classical interpolation on a scan whose truth is known.

A scan is cut to 1/f of its k-space band within each slice, which gives a noisy
low-resolution scan; that one and the same scan is then brought back by linear,
cubic (B-spline) and sinc interpolation and by the network, and each result is
compared with a reference (see `references`). The oracle has the input's band and
the high frequencies of the signal without noise, as a tensor fit knows it: about
what a perfect network would give. Prints Markdown tables.

    python benchmarks/quality.py --data ../shared/data/dwi-open --subject philips02
    python benchmarks/quality.py ... --reference synthetic --goals
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from attrs import evolve, frozen
from goals import ORACLE, goals_table
from numpy.typing import NDArray
from references import REFERENCES, Reference, make_reference

from bids_sr.bids.atomic import write_json
from bids_sr.bids.dwi_run import DwiRun, open_run
from bids_sr.bids.finding import find_dwi
from bids_sr.diffusion.mask import brain_mask
from bids_sr.diffusion.tensor import TensorMaps, fit_tensor
from bids_sr.errors import BidsSrError
from bids_sr.images.band import keep_band
from bids_sr.images.grid import SliceGrid, choose_slice_axis, from_slices, to_slices
from bids_sr.images.kspace import data_consistency, kspace_downsample
from bids_sr.images.nifti import DwiReader, VolumeWriter, load_volume
from bids_sr.networks.card import ModelCard
from bids_sr.networks.registry import load_card
from bids_sr.quality.fidelity import erode, peak_of, psnr, ssim
from bids_sr.quality.interpolation import METHODS, interpolate
from bids_sr.quality.tensor_errors import mean_absolute_error, v1_angle, white_matter
from bids_sr.resources import read_version
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE
from bids_sr.superres.engine import super_resolve

log = logging.getLogger("bids_sr")

RIM = 2
"""Voxels of the reference taken off the rim of the brain mask, in plane."""
COLUMNS = {
    "method": ("", "{}"),
    "psnr_b0": ("PSNR b0 (dB)", "{:.2f}"),
    "psnr_dwi": ("PSNR DWI (dB)", "{:.2f}"),
    "psnr_mean": ("PSNR mean DWI (dB)", "{:.2f}"),
    "ssim_b0": ("SSIM b0", "{:.4f}"),
    "ssim_dwi": ("SSIM DWI", "{:.4f}"),
    "fa_mae": ("FA MAE", "{:.4f}"),
    "md_mae": ("MD MAE (1e-3 mm²/s)", "{:.4f}"),
    "v1_deg": ("V1 in WM (deg)", "{:.2f}"),
    "seconds": ("time (s)", "{:.0f}"),
}


@frozen
class Trial:
    """A scan with known truth."""

    truth: Path
    """The original series, cut to whole multiples of the factor."""
    ideal: Path
    """The signal without noise, as far as it is known: the oracle's high frequencies."""
    lr: DwiRun
    """What remains of it at 1/f of the band."""
    grid: SliceGrid
    """Of the low-resolution scan."""
    mask: NDArray[np.bool_]
    """Brain on the grid of the truth, its rim eroded."""


def make_trial(
    run: DwiRun,
    factor: int,
    step: int,
    folder: Path,
    rim: int = RIM,
    reference: str = "scan",
    work: Path | None = None,
    band: tuple[float, float] = (1.0, 1.0),
) -> Trial:
    """Degrade a run; keep every `step`-th slice, and of the input's band only `band`."""
    truth, ideal, small = (folder / f"{name}.nii.gz" for name in ("truth", "ideal", "lr"))
    with DwiReader(run.files.dwi) as reader:
        axis = choose_slice_axis(reader.shape[:3], reader.zooms, run.files.sidecar)
        shape = tuple(
            -(-n // step) if a == axis else n // factor * factor
            for a, n in enumerate(reader.shape[:3])
        )
        cut = tuple(slice(None, None, step) if a == axis else slice(n) for a, n in enumerate(shape))
        affine = reader.affine @ np.diag([*(step if a == axis else 1 for a in range(3)), 1])
        b0s = np.flatnonzero(run.gradients.is_b0)
        brain = brain_mask(np.mean([reader.volume(int(i)) for i in b0s], axis=0), reader.zooms)
        scans = make_reference(run, brain, reference, work or folder)
        grid = SliceGrid(*coarse_grid(shape, affine, axis, factor), axis, factor)
        _write_trial(scans, cut, grid, reader, (truth, ideal, small), band)
    lr = DwiRun(
        evolve(run.files, dwi=small, mask=None), run.gradients, (*grid.shape, scans.truth.shape[3])
    )
    return Trial(truth, ideal, lr, grid, erode(brain[cut], rim, axis))


def _write_trial(
    scans: Reference,
    cut: tuple[slice, ...],
    grid: SliceGrid,
    reader: DwiReader,
    paths: tuple[Path, Path, Path],
    band: tuple[float, float],
) -> None:
    (shape, affine), volumes = grid.high_resolution, scans.truth.shape[3]
    with (
        VolumeWriter(paths[0], (*shape, volumes), affine, like=reader.header) as fine,
        VolumeWriter(paths[1], (*shape, volumes), affine, like=reader.header) as ideal,
        VolumeWriter(paths[2], (*grid.shape, volumes), grid.affine, like=reader.header) as coarse,
    ):
        for index in range(volumes):
            fine.write(scans.truth[(*cut, index)])
            ideal.write(scans.ideal[(*cut, index)])
            slices = to_slices(scans.scanned[(*cut, index)], grid.slice_axis)
            small = kspace_downsample(torch.from_numpy(np.ascontiguousarray(slices)), grid.factor)
            filled = keep_band(small, band).abs()
            coarse.write(from_slices(filled.numpy(), grid.slice_axis))


def oracle(trial: Trial, out: Path) -> None:
    """Write the input's band with the high frequencies of the signal without noise."""
    axis, factor = trial.grid.slice_axis, trial.grid.factor
    shape, affine = trial.grid.high_resolution
    with (
        DwiReader(trial.ideal) as ideal,
        DwiReader(trial.lr.files.dwi) as lr,
        VolumeWriter(out, (*shape, lr.shape[3]), affine, like=lr.header) as writer,
    ):
        for index in range(lr.shape[3]):
            pair = (
                torch.from_numpy(np.ascontiguousarray(to_slices(r.volume(index), axis)))
                for r in (ideal, lr)
            )
            fine = data_consistency(*pair, factor).clamp_min(0)
            writer.write(from_slices(fine.numpy(), axis))


def coarse_grid(
    shape: tuple[int, ...], affine: NDArray[np.float64], axis: int, factor: int
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return the grid whose `SliceGrid.high_resolution` is the one given."""
    steps = [1 if a == axis else factor for a in range(3)]
    to_fine = np.diag([*map(float, steps), 1.0])
    to_fine[:3, 3] = [(step - 1) / 2 for step in steps]
    x, y, z = (n // step for n, step in zip(shape, steps, strict=True))
    return (x, y, z), affine @ to_fine


def interpolated(trial: Trial, method: str, out: Path) -> None:
    """Write the low-resolution scan interpolated; negative values become zero, as the app does."""
    with DwiReader(trial.lr.files.dwi) as reader:
        shape, affine = trial.grid.high_resolution
        with VolumeWriter(out, (*shape, reader.shape[3]), affine, like=reader.header) as writer:
            for index in range(reader.shape[3]):
                fine = interpolate(
                    reader.volume(index), trial.grid.factor, method, trial.grid.slice_axis
                )
                writer.write(np.maximum(fine, 0))


def fidelity(trial: Trial, path: Path) -> dict[str, float]:
    """Return PSNR and SSIM, means over the b0s and over the weighted volumes.

    ``psnr_mean`` is the PSNR of the mean over all weighted volumes.
    """
    scores: dict[str, list[float]] = {}
    means = [np.zeros(trial.mask.shape, np.float32) for _ in range(2)]
    with DwiReader(trial.truth) as truth, DwiReader(path) as test:
        for index, is_b0 in enumerate(trial.lr.gradients.is_b0):
            pair = truth.volume(index), test.volume(index)
            peak = peak_of(pair[0], trial.mask)
            kind = "b0" if is_b0 else "dwi"
            scores.setdefault(f"psnr_{kind}", []).append(psnr(*pair, trial.mask, peak))
            scores.setdefault(f"ssim_{kind}", []).append(
                ssim(*pair, trial.mask, peak, trial.grid.slice_axis)
            )
            if not is_b0:
                for mean, volume in zip(means, pair, strict=True):
                    mean += volume
    scores["psnr_mean"] = [psnr(*means, trial.mask, peak_of(means[0], trial.mask))]
    return {key: float(np.mean(values)) for key, values in scores.items()}


def fit(trial: Trial, path: Path, threads: int) -> TensorMaps:
    """Fit the tensor inside the mask."""
    out = {param: path.with_name(f"{param}-{path.name}") for param in ("fa", "md", "v1")}
    return fit_tensor(path, trial.lr.gradients, trial.mask, out, params=tuple(out), threads=threads)


def tensor_errors(trial: Trial, reference: TensorMaps, test: TensorMaps) -> dict[str, float]:
    """Return errors of FA, MD and V1, the last in the reference's white matter."""
    fa, md = (load_volume(reference.paths[p])[0] for p in ("fa", "md"))
    white = white_matter(fa, md, trial.mask)
    v1 = [nib.load(maps.paths["v1"]).get_fdata(dtype=np.float32) for maps in (reference, test)]
    return {
        "fa_mae": mean_absolute_error(fa, load_volume(test.paths["fa"])[0], trial.mask),
        "md_mae": 1e3 * mean_absolute_error(md, load_volume(test.paths["md"])[0], trial.mask),
        "v1_deg": v1_angle(v1[0], v1[1], white),
        "wm_voxels": float(white.sum()),
    }


def compare(
    trial: Trial,
    card: ModelCard,
    folder: Path,
    *,
    device: str,
    threads: int,
    ensemble: int = DEFAULT_ENSEMBLE,
    detect_band: bool = True,
) -> Iterator[dict[str, float | str]]:
    """Yield one row per method."""
    reference = fit(trial, trial.truth, threads)
    methods = [*METHODS, ORACLE, f"{card.name}, no consistency", card.name]
    for number, method in enumerate(methods):
        log.info("%s ...", method)
        out = folder / f"method{number}.nii.gz"
        started = time.monotonic()
        if method in METHODS:
            interpolated(trial, method, out)
        elif method == ORACLE:
            oracle(trial, out)
        else:
            consistent = method == card.name
            super_resolve(
                trial.lr, card, out, device=device, threads=threads,
                data_consistency=consistent, ensemble=ensemble, detect_band=detect_band,
                slice_axis=trial.grid.slice_axis,
            )  # fmt: skip
        seconds = time.monotonic() - started
        errors = tensor_errors(trial, reference, fit(trial, out, threads))
        yield {"method": method, **fidelity(trial, out), **errors, "seconds": seconds}
        out.unlink()


def markdown(rows: Sequence[dict[str, float | str]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| " + " | ".join(title for title, _ in COLUMNS.values()) + " |"]
    lines.append("|---" * len(COLUMNS) + "|")
    for row in rows:
        cells = [form.format(row.get(key, "n/a")) for key, (_, form) in COLUMNS.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="BIDS dataset")
    parser.add_argument("--subject", required=True, help="participant label, without sub-")
    parser.add_argument("--run", help="label of the run if there are several: sub-01_acq-AP")
    parser.add_argument("--model", help="network: name or folder; default: that of the factor")
    parser.add_argument("--scale", type=int, choices=(2, 3), default=2, help="in-plane factor")
    parser.add_argument("--reference", choices=REFERENCES, default="scan", help=" ")
    parser.add_argument(
        "--zero-fill",
        type=_band,
        default=(1.0, 1.0),
        metavar="A,B",
        help="cut the input to this share of its band, as a scanner that interpolates does",
    )
    parser.add_argument("--input-band", choices=("auto", "full"), default="auto", help="as the app")
    parser.add_argument("--work", type=Path, help="keeps the denoised scan from call to call")
    parser.add_argument("--goals", action="store_true", help="also print the table of goals")
    parser.add_argument("--slices-step", type=int, default=1, help="keep every n-th slice")
    parser.add_argument("--rim", type=int, default=RIM, help="voxels taken off the brain's rim")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--ensemble",
        type=int,
        choices=(1, 2, 4, 8),
        default=DEFAULT_ENSEMBLE,
        help="turned copies of a slice over which the network is averaged",
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")
    return parser.parse_args(argv)


def _band(text: str) -> tuple[float, float]:
    first, second = map(float, text.split(","))
    return first, second


def choose_run(options: argparse.Namespace) -> DwiRun:
    """Return the run to score on."""
    found = find_dwi(options.data, participants=(options.subject,))
    labels = [files.label for files in found]
    wanted = options.run or labels[0]
    if wanted not in labels:
        raise SystemExit(f"no run {wanted}; there are: {', '.join(labels)}")
    return open_run(found[labels.index(wanted)])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the comparison and print the table."""
    options = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    run = choose_run(options)
    card = load_card(options.model, options.scale)
    with tempfile.TemporaryDirectory() as name:
        trial = make_trial(
            run, options.scale, options.slices_step, Path(name), options.rim,
            options.reference, options.work, options.zero_fill,
        )  # fmt: skip
        rows = list(
            compare(
                trial,
                card,
                Path(name),
                device=options.device,
                threads=options.threads,
                ensemble=options.ensemble,
                detect_band=options.input_band == "auto",
            )
        )
        voxels = int(trial.mask.sum())
    facts = {
        "run": run.files.label,
        "factor": options.scale,
        "slices_step": options.slices_step,
        "reference": options.reference,
        "zero_fill": options.zero_fill,
        "input_band": options.input_band,
        "degradation": "k-space crop, magnitude",
        "psnr_data_range": "99th percentile of each reference volume in the mask",
        "mask": f"brain, {options.rim} voxels of its rim eroded in plane",
        "mask_voxels": voxels,
        "white_matter_voxels": rows[0]["wm_voxels"],
        "model": card.name,
        "model_sha256": card.sha256,
        "ensemble": options.ensemble,
        "version": read_version(),
    }
    print(
        f"{facts['run']}, x{options.scale}, against {options.reference}, every slice"
        + (f" in {options.slices_step}" if options.slices_step > 1 else "")
        + f"; {voxels} brain voxels ({facts['mask']}), {facts['white_matter_voxels']:.0f} of them "
        f"white matter; PSNR data range: {facts['psnr_data_range']}; model {card.sha256[:12]}\n"
    )
    print(markdown(rows))
    if options.goals:
        print("\n" + goals_table(rows, options.reference, options.scale))
    if options.out:
        write_json(options.out, {**facts, "rows": rows})


if __name__ == "__main__":
    try:
        main()
    except BidsSrError as error:
        raise SystemExit(str(error)) from error
