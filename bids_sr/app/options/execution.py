"""Options about the work folder, what is done at all, and what is told."""

from __future__ import annotations

import argparse
from pathlib import Path

from bids_sr.app.options.sections import Section
from bids_sr.command_parser import add_version_option


def add_execution(parser: argparse.ArgumentParser) -> Section:
    """Add the group to a parser, and return it."""
    section = Section(parser, "work folder and execution")
    section.add(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="folder for what lets an interrupted run go on, in bids_sr_work in there; small (but "
        "see --uncertainty and --low-mem)",
        shown="a temporary one",
    )
    section.add(
        "--clean-workdir",
        action="store_true",
        help="remove first what earlier calls left in bids_sr_work in the folder given by -w",
    )
    section.add(
        "--stop-on-first-crash",
        action="store_true",
        help="end everything when one run fails; otherwise the other runs go on",
    )
    section.add(
        "--use-plugin",
        type=Path,
        metavar="FILE",
        help="YAML file that names another nipype plugin, for example a cluster's, and its "
        "arguments; give -w a folder that all machines see",
        shown="processes on this machine",
    )
    section.add(
        "--write-graph",
        action="store_true",
        help="draw the graph of the workflow into the log folder (needs Graphviz for a picture)",
    )
    section.add(
        "--reports-only",
        action="store_true",
        help="process nothing, write the participant pages anew from the records and pictures in "
        "output_dir; bids_dir is not read",
    )
    section.add(
        "--boilerplate-only",
        action="store_true",
        help="process nothing, write only the methods text of each participant (Markdown, HTML, "
        "BibTeX) into its figures folder",
    )
    section.add(
        "--dry-run",
        action="store_true",
        help="do nothing and write nothing: list the runs, whether they are done, what they would "
        "write and how much memory they need; with -v every file, images with their size before "
        "compression",
    )
    return section


def add_general(parser: argparse.ArgumentParser) -> Section:
    """Add the group to a parser, and return it."""
    section = Section(parser, "general")
    section.add(
        "--config-file",
        type=Path,
        metavar="FILE",
        help="TOML file with options of this list (see docs/usage.md); the command line wins. "
        "Every call leaves its own, config.toml, in the log folder",
        shown="none",
    )
    add_version_option(section.group)
    section.add(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="say more; -vv: nipype's messages too",
    )
    section.add(
        "--notrack", action="store_true", help="accepted for compatibility: nothing is ever sent"
    )
    return section
