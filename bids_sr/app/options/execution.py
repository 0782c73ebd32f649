"""Options for the work folder, the kind of call, and logging."""

from __future__ import annotations

import argparse
from pathlib import Path

from bids_sr.app.options.sections import Section
from bids_sr.command_parser import add_version_option


def add_execution(parser: argparse.ArgumentParser) -> Section:
    """Add the group of options to a parser, and return it."""
    section = Section(parser, "work folder and execution")
    section.add(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="folder for intermediate results, in its subfolder bids_sr_work, from which an "
        "interrupted call is resumed; small (but see --uncertainty and --low-mem)",
        shown="a temporary one",
    )
    section.add(
        "--clean-workdir",
        action="store_true",
        help="first remove the results of earlier calls from bids_sr_work in the folder of -w",
    )
    section.add(
        "--stop-on-first-crash",
        action="store_true",
        help="stop when a run fails; otherwise the other runs continue",
    )
    section.add(
        "--use-plugin",
        type=Path,
        metavar="FILE",
        help="YAML file with another nipype plugin, for example for a cluster, and its "
        "arguments; -w must be a folder that all machines share",
        shown="processes on this machine",
    )
    section.add(
        "--write-graph",
        action="store_true",
        help="draw the graph of the workflow into the log folder (the picture needs Graphviz)",
    )
    section.add(
        "--reports-only",
        action="store_true",
        help="process nothing, rewrite the participant pages from the records and pictures in "
        "output_dir; bids_dir is not read",
    )
    section.add(
        "--boilerplate-only",
        action="store_true",
        help="process nothing, only write the methods text of each participant (Markdown, HTML, "
        "BibTeX) into its figures folder",
    )
    section.add(
        "--dry-run",
        action="store_true",
        help="do and write nothing: list the runs, whether they are complete, what they would "
        "write and how much memory they need; with -v every file, images with their size before "
        "compression",
    )
    return section


def add_general(parser: argparse.ArgumentParser) -> Section:
    """Add the group of options to a parser, and return it."""
    section = Section(parser, "general")
    section.add(
        "--config-file",
        type=Path,
        metavar="FILE",
        help="TOML file with any of these options (see docs/usage.md); the command line takes "
        "precedence. Every call writes its own, config.toml, into the log folder",
        shown="none",
    )
    add_version_option(section.group)
    section.add(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="log details; -vv: nipype's messages as well",
    )
    section.add(
        "--notrack", action="store_true", help="accepted for compatibility: nothing is ever sent"
    )
    return section
