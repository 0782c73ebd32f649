"""The self-check of `bids-sr` on scans of a BIDS dataset, without super-resolving them.

Prints a Markdown table of what the network gains over the best classical interpolation,
with the verdict; `--out` keeps all metrics.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.training_runs import find_training_runs
from bids_sr.diffusion.run_masks import make_masks
from bids_sr.evaluation.selfcheck import ComputeOptions, Record, self_check
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader
from bids_sr.images.runs import open_run
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.networks.card import ModelCard
from bids_sr.networks.registry import load_card
from bids_sr.quality.gain import SELF_CHECK_METRICS, gain, noisy_gain_key
from bids_sr.superres.engine import SuperResolvedDwi
from bids_sr.superres.first_pass import measured_band


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bids_dir", type=Path)
    parser.add_argument("--participant-label", nargs="+", default=())
    parser.add_argument("--model", help="network: name or folder; default: that of the factor")
    parser.add_argument("--scale", type=int, choices=(2, 3), default=2)
    parser.add_argument("--ensemble", type=int, choices=(1, 2, 4, 8), default=4)
    parser.add_argument("--mode", nargs="+", choices=("auto", "full"), default=["auto"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-data-consistency", dest="consistent", action="store_false")
    parser.add_argument("--noisy", action="store_true", help="gains with the noise put back")
    parser.add_argument("--out", type=Path, help="JSON file for all records")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    card = load_card(options.model, options.scale)
    titles = [
        "run",
        "mode",
        *(f"gain {metric}" for metric in SELF_CHECK_METRICS),
        "verdict",
        "time (s)",
    ]
    sys.stdout.write(_line(titles) + "\n" + "|---" * len(titles) + "|\n")
    records = []
    for files in find_training_runs(options.bids_dir, tuple(options.participant_label)):
        for mode in options.mode:
            record = _check(open_run(files), card, mode, options)
            records.append({"run": files.label, "mode": mode, **record})
            sys.stdout.write(_row(files.label, mode, record, noisy=options.noisy) + "\n")
            sys.stdout.flush()
            if options.out:
                options.out.write_text(json.dumps(records, indent=1))


def _check(run: DwiRun, card: ModelCard, mode: str, options: argparse.Namespace) -> Record:
    with tempfile.TemporaryDirectory() as name, DwiReader(run.files.dwi) as reader:
        folder = Path(name)
        axis = slice_axis_of(run, reader.meta)
        grid = SliceGrid(reader.shape[:3], reader.affine, axis, card.factor)
        masks = make_masks(
            run, grid, input_mask=folder / "input.nii", output_mask=folder / "output.nii"
        )
        result = SuperResolvedDwi(
            dwi=folder / "none", run=run, grid=grid, card=card, scale=1.0, device="cpu",
            seconds=0.0, slices=0, batch_size=1, data_consistency=options.consistent,
            ensemble=options.ensemble, band=measured_band(reader, grid), notes=(),
        )  # fmt: skip
        compute = ComputeOptions(device="cpu", threads=options.threads)
        return self_check(result, masks.input, folder, mode, compute)


def _row(label: str, mode: str, record: Record, *, noisy: bool) -> str:
    gains = [
        record[noisy_gain_key(metric)] if noisy else gain(record, metric)
        for metric in SELF_CHECK_METRICS
    ]
    forms = ["{:+.2f} dB", "{:+.2f} dB", "{:+.4f}", *["{:+.1%}"] * 3, *["{:+.3f}"] * 3]
    cells = ["n/a" if g is None else f.format(g) for f, g in zip(forms, gains, strict=True)]
    key = "selfcheck_verdict_noisy" if noisy else "selfcheck_verdict"
    verdict = record[key] or record["selfcheck_reason"]
    return _line([label, mode, *cells, verdict, record["selfcheck_seconds"]])


def _line(cells: list[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    main()
