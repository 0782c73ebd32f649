"""Does the standard deviation over the self-ensemble predict the error? On a scan with known truth.

The scan is degraded as by `bids-sr-evaluate`, super-resolved by all 8 ensemble members, as
``bids-sr --uncertainty`` does, and the standard deviation (sd) over the members is
compared with the error, voxel by voxel in the brain, its rim eroded. Beside it
stands a predictor that knows no network: the gradient magnitude of the
sinc-interpolated image (of its FA for FA). Prints Markdown tables.

    python benchmarks/uncertainty.py --data DATASET --subject philips02

The truth is a scan and has noise of its own, which no sd of a network can know: it
lowers the correlation and lifts the error. ``denoised`` takes MP-PCA of the scan as truth.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from scipy.stats import pearsonr, rankdata

from bids_sr.bids.atomic import atomic_path
from bids_sr.diffusion.ensemble_sd import fa_ensemble_sd, subset
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.errors import BidsSrError, UsageError
from bids_sr.evaluation.degraded_scan import (
    DegradedScan,
    choose_run,
    interpolated,
    make_degraded_scan,
)
from bids_sr.evaluation.scores import fit_maps
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.networks.registry import load_card
from bids_sr.superres.engine import super_resolve
from bids_sr.superres.ensemble_sd import ensemble_sd_files, open_members

BINS = 10
"""Of the calibration curve: equally many voxels in each."""

Floats = NDArray[np.floating]


@frozen
class Samples:
    """Voxels of the brain, over all volumes of a kind."""

    what: str
    """Of what the error is."""
    unit: str
    """Of sd and error."""
    error: Floats
    """Result less truth, (n,)."""
    sd: Floats
    """Predicted, (n,)."""
    edges: Floats
    """The trivial predictor, (n,)."""


def collect(degraded: DegradedScan, folder: Path, ensemble_sd: Path, scale: float) -> list[Samples]:
    """Gather the voxels of b0s and of weighted volumes, in percent of the b0 scale."""
    found: dict[bool, list[tuple[Floats, ...]]] = {True: [], False: []}
    paths = (degraded.truth, folder / "sr.nii.gz", ensemble_sd, folder / "sinc.nii.gz")
    readers = [DwiReader(path) for path in paths]
    for index, is_b0 in enumerate(degraded.lr.gradients.is_b0):
        truth, made, sd, sinc = (reader.volume(index) for reader in readers)
        edges = gradient_magnitude(sinc, degraded)
        triple = (made - truth, sd, edges)
        found[bool(is_b0)].append(tuple(100 / scale * v[degraded.mask] for v in triple))
    for reader in readers:
        reader.close()
    names = {True: "b0", False: "weighted volumes"}
    return [
        Samples(names[kind], "% of the b0 scale", *map(np.concatenate, zip(*parts, strict=True)))
        for kind, parts in found.items()
    ]


def collect_fa(degraded: DegradedScan, folder: Path, ensemble_sd: Path, threads: int) -> Samples:
    """Gather the voxels of FA."""
    fits = [
        load_volume(fit_maps(degraded, path, threads)["fa"])[0]
        for path in (degraded.truth, folder / "sr.nii.gz", folder / "sinc.nii.gz")
    ]
    sd = load_volume(ensemble_sd)[0]
    edges = gradient_magnitude(fits[2], degraded)
    values = (fits[1] - fits[0], sd, edges)
    return Samples("FA", "FA", *(v[degraded.mask].astype(np.float64) for v in values))


def gradient_magnitude(volume: Floats, degraded: DegradedScan) -> Floats:
    """Return the in-plane gradient magnitude, per voxel."""
    first, second = np.gradient(volume, axis=degraded.grid.in_plane)
    return np.hypot(first, second)


def correlations(samples: Samples) -> dict[str, float]:
    """Return Pearson, Spearman, and the sd's Spearman with the edges' part taken out."""
    error = np.abs(samples.error)
    ranks = [rankdata(v) for v in (samples.sd, samples.edges, error)]
    of_sd, of_edges = (float(pearsonr(r, ranks[2])[0]) for r in ranks[:2])
    between = float(pearsonr(ranks[0], ranks[1])[0])
    partial = (of_sd - of_edges * between) / np.sqrt((1 - of_edges**2) * (1 - between**2))
    return {
        "pearson_sd": float(pearsonr(samples.sd, error)[0]),
        "pearson_edges": float(pearsonr(samples.edges, error)[0]),
        "spearman_sd": of_sd,
        "spearman_edges": of_edges,
        "spearman_partial": float(partial),
    }


def calibration(samples: Samples) -> list[tuple[float, float]]:
    """Return root mean square sd and root mean square error of equally full bins of sd."""
    order = np.argsort(samples.sd, kind="stable")
    return [
        (
            float(np.sqrt(np.mean(samples.sd[part] ** 2))),
            float(np.sqrt(np.mean(samples.error[part] ** 2))),
        )
        for part in np.array_split(order, BINS)
    ]


def tables(found: dict[str, list[Samples]]) -> str:
    """Return correlation and calibration tables as Markdown."""
    lines = [
        "| error of | against | Pearson sd | Pearson edges | Spearman sd | Spearman edges |"
        " Spearman sd, edges taken out |",
        "|---" * 7 + "|",
    ]
    for reference, parts in found.items():
        for samples in parts:
            values = " | ".join(f"{v:.2f}" for v in correlations(samples).values())
            lines.append(f"| {samples.what} | {reference} | {values} |")
    for reference, parts in found.items():
        for samples in parts:
            digits = 4 if samples.unit == "FA" else 2
            curve = calibration(samples)
            lines += ["", f"{samples.what}, {samples.unit}, against {reference}:", ""]
            lines.append("| bin of sd | " + " | ".join(str(i + 1) for i in range(BINS)) + " |")
            lines.append("|---" * (BINS + 1) + "|")
            rows = {
                "sd": [f"{sd:.{digits}f}" for sd, _ in curve],
                "rms error": [f"{error:.{digits}f}" for _, error in curve],
                "error / sd": [f"{error / sd:.1f}" for sd, error in curve],
            }
            lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join(lines)


def draw(found: dict[str, list[Samples]], path: Path, title: str) -> None:
    """Write the calibration curves as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(next(iter(found.values())))
    figure = Figure(figsize=(3.6 * count, 3.6), dpi=90, layout="constrained")
    figure.suptitle(title, fontsize=10)
    places = figure.subplots(1, count, squeeze=False)[0]
    for number, place in enumerate(places):
        for reference, parts in found.items():
            curve = np.array(calibration(parts[number]))
            place.plot(*curve.T, "o-", markersize=4, label=f"against {reference}")
        top = curve[:, 0].max()
        place.plot([0, top], [0, top], "k:", label="error = sd")
        place.set(title=parts[number].what, ylim=(0, None), xlim=(0, None))
        place.set_xlabel(f"sd over the members ({parts[number].unit})")
        place.set_ylabel(f"rms error ({parts[number].unit})")
    places[0].legend(fontsize=8, frameon=False)
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def measure(options: argparse.Namespace, reference: str, folder: Path) -> list[Samples]:
    """Degrade, super-resolve and compare with one reference."""
    run = choose_run(options.data, options.subject, options.run)
    card = load_card(options.model, options.scale)
    if card.sees_series and options.slices_step > 1:
        raise UsageError(
            f"{card.name} reads neighbouring slices, which --slices-step takes away.",
            remedy="Leave --slices-step out.",
        )
    degraded = make_degraded_scan(
        run, options.scale, options.slices_step, folder, reference=reference, work=options.work
    )
    volumes = dti_volumes(run.gradients).indices
    files = ensemble_sd_files(card, folder / "sd.nii.gz", folder, volumes, 8)
    made = super_resolve(
        degraded.lr, card, folder / "sr.nii.gz", device=options.device, threads=options.threads,
        ensemble=8, slice_axis=degraded.grid.slice_axis, ensemble_sd=files,
    )  # fmt: skip
    interpolated(degraded, "sinc", folder / "sinc.nii.gz")
    with open_members(files, degraded.lr, degraded.grid, made.scale, signed=made.signed) as members:
        fa_sd = fa_ensemble_sd(
            members, subset(run.gradients, volumes), degraded.mask, folder / "fa_sd.nii.gz",
            folder=folder, threads=options.threads,
        )  # fmt: skip
    found = collect(degraded, folder, files.sd, made.scale)
    return [*found, collect_fa(degraded, folder, fa_sd, options.threads)]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="BIDS dataset")
    parser.add_argument("--subject", required=True, help="participant label, without sub-")
    parser.add_argument("--run", help="label of the run if there are several: sub-01_acq-AP")
    parser.add_argument("--model", help="network: name or folder; default: that of the factor")
    parser.add_argument("--scale", type=int, choices=(2, 3), default=2, help="in-plane factor")
    parser.add_argument("--slices-step", type=int, default=1, help="keep every n-th slice")
    parser.add_argument(
        "--references", nargs="+", choices=("scan", "denoised"), default=["scan", "denoised"],
        help="what counts as truth",
    )  # fmt: skip
    parser.add_argument("--work", type=Path, help="keeps the denoised scan from call to call")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--figure", type=Path, help="also draw the calibration curves here (PNG)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the tables."""
    options = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    found = {}
    for reference in options.references:
        with tempfile.TemporaryDirectory() as name:
            found[reference] = measure(options, reference, Path(name))
    card = load_card(options.model, options.scale)
    voxels = found[options.references[0]][-1].error.size
    title = (
        f"sub-{options.subject}, x{options.scale}, {card.name} ({card.sha256[:12]}), every slice"
        + (f" in {options.slices_step}" if options.slices_step > 1 else "")
    )
    print(f"{title}; {voxels} brain voxels, rim eroded\n")
    print(tables(found))
    if options.figure:
        draw(found, options.figure, title)


if __name__ == "__main__":
    try:
        main()
    except BidsSrError as error:
        raise SystemExit(str(error)) from error
