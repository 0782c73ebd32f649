"""Options that select the runs to process."""

from __future__ import annotations

import argparse
from pathlib import Path

from bids_sr.app import types
from bids_sr.app.options.sections import Section


def add_selection(parser: argparse.ArgumentParser) -> Section:
    """Add the group to a parser, and return it."""
    section = Section(parser, "what to process")
    section.add(
        "--participant-label",
        dest="participants",
        nargs="+",
        type=types.label("sub-"),
        metavar="LABEL",
        help="participants to process, with or without 'sub-'",
        shown="all",
    )
    section.add(
        "--session-id",
        "--session-label",
        dest="sessions",
        nargs="+",
        type=types.label("ses-"),
        metavar="LABEL",
        help="sessions to process, with or without 'ses-'",
        shown="all",
    )
    section.add(
        "--bids-filter-file",
        type=Path,
        metavar="FILE",
        help='JSON file that filters the runs, for example {"dwi": {"acquisition": "multiband"}}',
        shown="none",
    )
    section.add(
        "--bids-database-dir",
        type=Path,
        metavar="DIR",
        help="folder of a PyBIDS database of the dataset; created if it does not exist",
        shown="none",
    )
    section.add(
        "-d",
        "--derivatives",
        nargs="+",
        type=types.derivative,
        metavar="NAME=PATH",
        help="the input: process the preprocessed runs of this derivative dataset instead of the "
        "raw ones of bids_dir, for example qsiprep=/data/derivatives/qsiprep. (In fMRIPrep, -d "
        "names precomputed results to reuse along with the raw input.) Not needed if "
        "bids_dir is that dataset",
        shown="none",
    )
    section.add(
        "--skip-bids-validation",
        action="store_true",
        help="do not run the BIDS validator on the input (it is run if installed; errors that it "
        "finds are only logged)",
    )
    return section
