"""The command line, with the conventions of fMRIPrep, QSIPrep and MRIQC.

Imports are light, so that ``--help`` and ``--version`` are fast.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bids_sr.app.config import read_config
from bids_sr.app.options.groups import add_options
from bids_sr.command_parser import CommandParser


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``bids-sr``.

    Returns
    -------
    argparse.ArgumentParser
        `bids_sr.app.settings.make_settings` converts its namespace to settings.
    """
    parser = CommandParser(
        prog="bids-sr",
        description="Super-resolution of diffusion MRI: writes every DWI run of a BIDS dataset "
        "with 2 or 3 times as many voxels along both in-plane axes, with tensor and GQI maps and "
        "a report.",
        epilog="Exit status: 0 all done; 1 a run failed (the others finished), or its quality with "
        "--fail-on-qc; 2 the command line or the dataset cannot be used; 70 internal error. "
        "Every --some-option may be written --some_option.",
    )
    parser.add_argument(
        "bids_dir", type=Path, help="the BIDS dataset: raw, or the output of QSIPrep"
    )
    parser.add_argument("output_dir", type=Path, help="where the derivative dataset is written")
    parser.add_argument(
        "analysis_level",
        choices=("participant", "group"),
        help="participant: process the runs; group: one table and page of all runs in output_dir",
    )
    add_options(parser)
    return parser


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line, which takes precedence over the configuration file that it names.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; default: the process's own.

    Returns
    -------
    argparse.Namespace

    Raises
    ------
    UsageError
        If the configuration file cannot be used.
    """
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if parsed.config_file is None:
        return parsed
    # a second time without defaults: whatever is not None was given
    blank = argparse.Namespace(**dict.fromkeys(vars(parsed)))
    said = {k: v for k, v in vars(parser.parse_args(arguments, blank)).items() if v is not None}
    return argparse.Namespace(**{**vars(parsed), **read_config(parsed.config_file), **said})
