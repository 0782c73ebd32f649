"""Tell what denoising and Gibbs removal do before and after super-resolution.

A scan is reduced to half its resolution in plane, as a scanner would have measured it, cleaned
with MRtrix3's `dwidenoise` and `mrdegibbs` before or after super-resolution, and compared with
the denoised scan. Prints a Markdown table.

    python benchmarks/cleaning_order.py DATASET [--participant-label philips02]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from attrs import evolve
from resampling_order import COLUMNS, add_arguments, open_scan, score_row

from bids_sr.evaluation.degraded_scan import DegradedScan, interpolated
from bids_sr.evaluation.scores import fit_maps
from bids_sr.networks.registry import load_card
from bids_sr.superres.engine import super_resolve

WAYS = (
    ("sinc",),
    ("dwidenoise", "sinc"),
    ("dwidenoise", "mrdegibbs", "sinc"),
    ("network",),
    ("network", "dwidenoise"),
    ("network", "mrdegibbs"),
    ("dwidenoise", "network"),
    ("mrdegibbs", "network"),
    ("dwidenoise", "mrdegibbs", "network"),
)
Step = Callable[[Path, Path], None]


def clean(command: str, source: Path, out: Path) -> None:
    """Call a command of MRtrix3."""
    words = [command, source, out, "-nthreads", "1", "-quiet", "-force"]
    subprocess.run(list(map(str, words)), check=True)


def enlarge_by_sinc(degraded: DegradedScan, source: Path, out: Path) -> None:
    """Interpolate a series."""
    run = evolve(degraded.lr, files=evolve(degraded.lr.files, dwi=source))
    interpolated(evolve(degraded, lr=run), "sinc", out)


def enlarge_by_network(degraded: DegradedScan, options: dict, source: Path, out: Path) -> None:
    """Super-resolve a series."""
    run = evolve(degraded.lr, files=evolve(degraded.lr.files, dwi=source))
    card, axis = load_card("shallow-x2", 2), degraded.grid.slice_axis
    super_resolve(run, card, out, slice_axis=axis, **options)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given = add_arguments(parser).parse_args()
    if missing := [name for name in ("dwidenoise", "mrdegibbs") if not shutil.which(name)]:
        parser.error(f"MRtrix3 is not installed: {', '.join(missing)}")
    options = {"device": "cpu", "threads": given.threads, "ensemble": given.ensemble}
    print("| order | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, degraded = open_scan(given, folder)
        steps: dict[str, Step] = {
            **{command: partial(clean, command) for command in ("dwidenoise", "mrdegibbs")},
            "sinc": partial(enlarge_by_sinc, degraded),
            "network": partial(enlarge_by_network, degraded, options),
        }
        reference = fit_maps(degraded, degraded.truth, given.threads, gqi=False)
        for way in WAYS:
            source = degraded.lr.files.dwi
            for number, step in enumerate(way):
                out = folder / f"step{number}.nii"
                steps[step](source, out)
                source = out
            print(score_row(degraded, reference, ", ".join(way), source, given.threads), flush=True)


if __name__ == "__main__":
    main()
