"""The command ``bids-sr-evaluate``."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_sr.argument_types import positive, whole
from bids_sr.command_parser import CommandParser, add_device_option
from bids_sr.diffusion.defaults import GRADIENT_CHECKS, WARN
from bids_sr.entry_point import run_logged_command
from bids_sr.errors import UsageError
from bids_sr.evaluation.defaults import REFERENCES, RIM
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE, PRECISIONS

if TYPE_CHECKING:
    from bids_sr.bids.dwi_run import DwiRun
    from bids_sr.evaluation.degraded_scan import DegradedScan
    from bids_sr.evaluation.goals import Row
    from bids_sr.networks.card import ModelCard

_MARK = "(*)"
"""Mark of a network that may have been trained on the scan it is scored on."""
_DESCRIPTION = """\
Score a network against classical interpolation on a scan whose truth is known: the scan is cut to
1/f of its k-space band within each slice, brought back by linear, cubic (B-spline) and sinc
interpolation and by the network, and each result is compared with a reference. "Noise of the
reference alone" is what a perfect result would show. Prints Markdown tables; one says how much of
the detail that was taken away each method leaves unexplained, noise taken out: sinc 1, truth 0."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; importing nothing heavy keeps ``--help`` quick."""
    parser = CommandParser(
        prog="bids-sr-evaluate",
        description=_DESCRIPTION,
        epilog="Exit status: 0 done; 1 the scan cannot be used; 2 wrong usage.",
        add_version=True,
    )
    add = parser.add_argument
    add("bids_dir", type=Path, help="BIDS dataset, or HCP folder, with high-resolution DWI")
    add("--participant-label", required=True, metavar="LABEL", help="participant to score on")
    add(
        "--run",
        help="label of the run if there are several, for example sub-01_acq-AP; "
        "default: the only one",
    )
    add("--model", help="network: name or folder; default: that of the factor")
    add("--scale", type=int, choices=(2, 3), default=2, help="in-plane factor")
    add(
        "--reference",
        choices=REFERENCES,
        default="scan",
        help="scan: the scan itself; denoised: the scan after MP-PCA; synthetic: a tensor fit's"
        " noise-free prediction, which is degraded with noise added",
    )
    add(
        "--goals",
        action="store_true",
        help="also print the table of this project's goals, which are for --reference scan",
    )
    add("--out", type=Path, metavar="FILE", help="also write the figures to this JSON file")
    add("--to-card", action="store_true", help="also keep the figures on the model's card")
    add("--slices-step", type=positive, default=1, metavar="N", help="keep every N-th slice")
    add(
        "--rim",
        type=whole(0),
        default=RIM,
        help="voxels taken off the brain's rim",
    )
    add(
        "--zero-fill",
        type=_band,
        default=(1.0, 1.0),
        metavar="A,B",
        help="cut the input to this share of its band, as a scanner that interpolates does; "
        "default: 1,1 (not cut)",
    )
    add("--input-band", choices=("auto", "full"), default="auto", help="as in bids-sr")
    add(
        "--ensemble",
        type=int,
        choices=(1, 2, 4, 8),
        default=DEFAULT_ENSEMBLE,
        help="rotations and flips of a slice that the network is averaged over",
    )
    add(
        "--gradient-check",
        choices=GRADIENT_CHECKS,
        default=WARN,
        help="as in bids-sr: action on a gradient table that does not match the image",
    )
    add_device_option(parser)
    add("--precision", choices=PRECISIONS, default="auto", help="as in bids-sr")
    add("--threads", type=positive, default=2, help="CPU threads")
    add(
        "--work",
        type=Path,
        metavar="DIR",
        help="keeps the denoised scan from call to call; default: a temporary folder",
    )
    return parser


def _band(text: str) -> tuple[float, float]:
    try:
        first, second = map(float, text.split(","))
    except ValueError:
        first = second = 0.0
    if not (0 < first <= 1 and 0 < second <= 1):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not two shares above 0 and at most 1: write 0.75,0.75"
        )
    return first, second


def main(argv: Sequence[str] | None = None) -> int:
    """Score a scan, and print the tables.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default: those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 1 the scan cannot be used, 2 wrong usage; else as
        `bids_sr.entry_point.run_command`.
    """
    return run_logged_command("bids-sr-evaluate", build_parser, _print, argv, log="%(message)s")


def _print(options: argparse.Namespace, _argv: list[str]) -> None:
    tables = _evaluate(options)
    sys.stdout.write("\n\n".join(tables) + "\n")


def _evaluate(options: argparse.Namespace) -> list[str]:
    # import torch only now, after the arguments have been checked
    import torch

    from bids_sr.bids.atomic import write_json
    from bids_sr.diffusion.gradient_check import checked_run
    from bids_sr.evaluation.card_reproduction import compare_with_card, keep_on_card
    from bids_sr.evaluation.compare import compare
    from bids_sr.evaluation.degraded_scan import choose_run, make_degraded_scan
    from bids_sr.networks.registry import load_card
    from bids_sr.networks.training_data import seen_in_training
    from bids_sr.superres.device import choose_device

    # fail on a wrong name here, not after minutes of denoising
    device = str(choose_device(options.device))
    card = load_card(options.model, options.scale)
    _check_slices(card, options.slices_step)
    found = choose_run(options.bids_dir, options.participant_label, options.run)
    seen = seen_in_training(card, found.files.subject)
    checked = checked_run(found, options.gradient_check)
    run = checked.run
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        degraded = make_degraded_scan(
            run, options.scale, options.slices_step, Path(name), options.rim,
            options.reference, options.work, options.zero_fill,
        )  # fmt: skip
        rows = list(
            compare(
                degraded,
                card,
                Path(name),
                device=device,
                threads=options.threads,
                ensemble=options.ensemble,
                detect_band=options.input_band == "auto",
                precision=options.precision,
            )
        )
    facts = _facts(options, run, card, degraded, rows) | {"seen_in_training": seen}
    facts["gradients"] = f"{checked.check.verdict}{', corrected' if checked.fixed else ''}"
    if options.out:
        write_json(options.out, {**facts, "rows": rows})
    tables, compared = _tables(options, facts, rows), compare_with_card(card, facts, rows)
    if options.to_card:
        keep_on_card(card, facts, rows)
    ending = [f"{_MARK} {seen}"] if seen else []
    if seen:  # also in the log, which may be all that is kept
        logging.getLogger("bids_sr").warning("%s", seen)
    return [*tables, *([compared] if compared else []), *ending]


def _check_slices(card: ModelCard, step: int) -> None:
    if step > 1 and card.sees_series:
        raise UsageError(
            f"{card.name} reads neighbouring slices, which --slices-step {step} takes away.",
            remedy="Give --slices-step 1.",
        )


def _facts(
    options: argparse.Namespace,
    run: DwiRun,
    card: ModelCard,
    degraded: DegradedScan,
    rows: list[Row],
) -> dict[str, Any]:
    from bids_sr.resources import read_version

    return {
        "run": run.files.label,
        "factor": options.scale,
        "slices_step": options.slices_step,
        "reference": options.reference,
        "zero_fill": options.zero_fill,
        "input_band": options.input_band,
        "degradation": "k-space crop, magnitude",
        "psnr_data_range": "99th percentile of each reference volume in the mask",
        "mask": f"brain, {options.rim} voxels of its rim eroded in plane",
        "rim": options.rim,
        "mask_voxels": int(degraded.mask.sum()),
        "white_matter_voxels": rows[0]["wm_voxels"],
        "model": card.name,
        "model_sha256": card.sha256,
        "ensemble": options.ensemble,
        "precision": rows[-1]["precision"],
        "version": read_version(),
    }


def _tables(options: argparse.Namespace, facts: dict[str, Any], rows: list[Row]) -> list[str]:
    from bids_sr.evaluation.goals import REFERENCE, goals_table
    from bids_sr.evaluation.tables import left_table, markdown

    if facts["seen_in_training"]:  # the network's rows come last, without and with consistency
        networks = [{**row, "method": f"{row['method']} {_MARK}"} for row in rows[-2:]]
        rows = [*rows[:-2], *networks]
    every = f" in {options.slices_step}" if options.slices_step > 1 else ""
    tables = [
        f"{facts['run']}, x{options.scale}, against {options.reference}, every slice{every}; "
        f"{facts['mask_voxels']} brain voxels ({facts['mask']}), "
        f"{facts['white_matter_voxels']:.0f} of them white matter; "
        f"PSNR data range: {facts['psnr_data_range']}; model {facts['model_sha256'][:12]}, "
        f"{facts['precision']}; "
        f"gradients {facts['gradients']}",
        markdown(rows),
    ]
    left = left_table(rows)
    if left:
        tables.append(left)
    if options.goals and options.reference == REFERENCE:
        tables.append(goals_table(rows, options.scale))
    return tables
