"""The command ``bids-sr-study``."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.argument_types import positive
from bids_sr.command_parser import CommandParser, add_device_option
from bids_sr.diffusion.defaults import REFUSE, TRAINING_CHECKS
from bids_sr.entry_point import run_logged_command
from bids_sr.errors import UsageError

if TYPE_CHECKING:
    from bids_sr.study.rows import Row

_LOG = logging.getLogger("bids_sr")
_REPORT_EVERY = 60.0
"""Seconds between lines of progress."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; importing nothing heavy keeps ``--help`` quick."""
    parser = CommandParser(
        prog="bids-sr-study",
        description="Train one network for each choice of feature-loss layers, score all of them"
        " on held-out scans, and write tables and figures. Run it again to continue after an"
        " interruption; several processes may share OUTPUT_DIR.",
        add_version=True,
    )
    add = parser.add_argument
    add("recipe", type=Path, help="what to train and score, a TOML file (see examples/study)")
    add("bids_dir", type=Path, help="BIDS dataset, or folder of HCP subjects")
    add("output_dir", type=Path, help="takes a folder for each row, tables and figures")
    add(
        "--vgg16",
        type=Path,
        help="feature network's convolutions as safetensors; default: downloaded",
    )
    add("--rows", nargs="+", action="extend", metavar="NAME", help="only these rows; default: all")
    add("--list", action="store_true", help="list the rows of the recipe and stop")
    add(
        "--report-only",
        action="store_true",
        help="only write tables and figures, from the results in OUTPUT_DIR; BIDS_DIR is not read",
    )
    add("--page", type=Path, help="also renew the tables in this Markdown file")
    add("--figures", type=Path, help="folder of the figures; default: OUTPUT_DIR/figures")
    add("--keep", type=Path, help="copy the data of tables and figures into this folder")
    add("--cache", type=Path, help="prepared slices; default: OUTPUT_DIR/cache")
    add(
        "--gradient-check",
        default=REFUSE,
        choices=TRAINING_CHECKS,
        help="action on a scan whose gradient table does not match its image: refuse"
        " it; use it with a warning; use it with a corrected table; do not check",
    )
    add_device_option(parser)
    add("--threads", type=positive, default=1, help="CPU threads")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a study.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default: those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 1 bad input, 2 wrong usage; else as `bids_sr.entry_point.run_command`.
    """
    return run_logged_command("bids-sr-study", build_parser, _study, argv)


def _study(arguments: argparse.Namespace, argv: list[str]) -> None:
    from bids_sr.study.recipe import read_recipe
    from bids_sr.study.rows import expand

    recipe = read_recipe(arguments.recipe)
    rows = expand(recipe)
    if arguments.list:
        for row in rows:
            sys.stdout.write(f"{row.name}\n")
        return
    if not arguments.report_only:
        command = shlex.join(["bids-sr-study", *argv])
        _run(arguments, command, _chosen(rows, arguments.rows))
    from bids_sr.study.logs import keep_logs, read_results
    from bids_sr.study.report import write_report

    page = write_report(recipe, rows, arguments.output_dir, arguments.page, arguments.figures)
    _LOG.info("Tables: %s", page)
    if arguments.keep is not None:
        keep_logs(read_results(arguments.output_dir, rows), arguments.keep)


def _run(arguments: argparse.Namespace, command: str, rows: list[Row]) -> None:
    import torch

    from bids_sr.study.recipe import read_recipe
    from bids_sr.study.run import Study, run_baselines, run_rows
    from bids_sr.study.scans import Dataset
    from bids_sr.superres.device import choose_device

    place = str(choose_device(arguments.device))
    torch.set_num_threads(arguments.threads)
    cache = arguments.cache or arguments.output_dir / "cache"
    study = Study(
        Dataset(
            arguments.bids_dir,
            cache,
            read_recipe(arguments.recipe).data,
            gradient_check=arguments.gradient_check,
        ),
        arguments.output_dir,
        vgg16=arguments.vgg16,
        device=place,
        threads=arguments.threads,
        command=command,
        progress=_progress(),
    )
    run_rows(study, rows)
    run_baselines(study, rows)


def _chosen(rows: list[Row], names: list[str] | None) -> list[Row]:
    unknown = sorted(set(names or ()) - {row.name for row in rows})
    if unknown:
        raise UsageError(
            f"The recipe has no row {', '.join(unknown)}.",
            remedy=f"Choose among {', '.join(row.name for row in rows)}.",
        )
    return [row for row in rows if not names or row.name in names]


def _progress() -> Callable[[str, int, dict[str, float]], None]:
    """Return a progress callback that logs at intervals."""
    last = [time.monotonic()]

    def report(row: str, step: int, terms: dict[str, float]) -> None:
        if time.monotonic() - last[0] > _REPORT_EVERY:
            last[0] = time.monotonic()
            _LOG.info(
                "%s: step %d  %s", row, step, "  ".join(f"{k}={v:.4g}" for k, v in terms.items())
            )

    return report
