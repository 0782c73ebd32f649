"""The command ``bids-sr-file``: one series outside any dataset, without a report."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.app import types
from bids_sr.app.environment import prepare_environment
from bids_sr.app.memory_limits import refuse_too_small
from bids_sr.app.options.method import (
    add_gradient_check,
    add_network_and_slices,
    add_output_dtype,
)
from bids_sr.app.options.sections import Option, Section
from bids_sr.app.settings import usable_memory_gb
from bids_sr.argument_types import positive
from bids_sr.bids.map_params import PARAMS
from bids_sr.command_parser import CommandParser, add_device_option, add_version_option
from bids_sr.entry_point import run_command
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE, MOST_THREADS, PRECISIONS
from bids_sr.workflow.messages import Messages, configure_messages

if TYPE_CHECKING:
    from bids_sr.api.series import SuperResolvedFile

_ALL = "all"
_log = logging.getLogger("bids_sr")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; importing nothing heavy keeps ``--help`` quick."""
    parser = CommandParser(
        prog="bids-sr-file",
        description="Super-resolution of one diffusion series, wherever it lies. Beside OUT come "
        ".bval, .bvec and .json. For a BIDS dataset, a report and quality metrics: bids-sr.",
        epilog="Exit status: 0 done; 1 the series cannot be processed or written; 2 the command "
        "line cannot be used; 70 internal error.",
    )
    parser.add_argument("dwi", metavar="IN", type=Path, help="4D image, .nii or .nii.gz")
    parser.add_argument("out", metavar="OUT", type=Path, help="image to write, .nii.gz or .nii")
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> list[Option]:
    """Add all options, in their groups, to a parser, and return what was added."""
    groups = (_add_files, _add_method, _add_performance, _add_general)
    return [option for add in groups for option in add(parser).options]


def _add_files(parser: argparse.ArgumentParser) -> Section:
    section = Section(parser, "files")
    for name, what in (("bval", "b-values"), ("bvec", "directions"), ("json", "BIDS sidecar")):
        section.add(
            f"--{name}", type=Path, metavar="FILE", help=f"{what}", shown="the file beside IN"
        )
    section.add(
        "--mask",
        type=Path,
        metavar="FILE",
        help="brain mask, for maps and gradient check",
        shown="found",
    )
    section.add(
        "--maps",
        type=_maps,
        metavar="all|NAME,...",
        help=f"diffusion maps to write, with the brain mask: all, or some of {', '.join(PARAMS)}",
        shown="none",
    )
    section.add(
        "--overwrite", action="store_true", help="replace outputs that are there; never inputs"
    )
    return section


def _add_method(parser: argparse.ArgumentParser) -> Section:
    section = Section(parser, "super-resolution")
    section.add(
        "--scale",
        dest="factor",
        type=int,
        choices=(2, 3),
        help="in-plane factor: 2 is 4-fold, 3 is 9-fold super-resolution",
        shown="that of --model, or 2",
    )
    add_network_and_slices(section)
    section.add(
        "--ensemble",
        type=int,
        choices=(1, 2, 4, 8),
        default=DEFAULT_ENSEMBLE,
        help="average the network over so many rotations and flips of each slice; 1 is fastest",
    )
    section.add(
        "--b0-threshold",
        type=float,
        metavar="B",
        help="b-values up to this one, s/mm2, count as b = 0",
        shown="50, or 100 where none is below",
    )
    add_gradient_check(section)
    add_output_dtype(section)
    return section


def _add_performance(parser: argparse.ArgumentParser) -> Section:
    section = Section(parser, "performance")
    add_device_option(section.group)
    section.add(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="numbers in which the network's layers compute",
    )
    section.add(
        "--batch-size",
        type=positive,
        metavar="N",
        help="slices that go through the network at once",
        shown="by device and size",
    )
    section.add(
        "--nthreads",
        dest="threads",
        type=positive,
        metavar="N",
        help="CPU cores to use",
        shown="all that this process may use, up to 8",
    )
    section.add(
        "--mem-mb",
        "--mem",
        dest="memory_mb",
        type=types.memory,
        metavar="SIZE",
        help="memory to use: megabytes, or with a suffix K, M, G or T",
        shown="90%% of the machine's or of the container's or job's limit",
    )
    section.add(
        "--low-mem", action="store_true", help="use as little memory as possible; the same result"
    )
    return section


def _add_general(parser: argparse.ArgumentParser) -> Section:
    section = Section(parser, "general")
    add_version_option(section.group)
    section.add("-v", "--verbose", action="count", default=0, help="say more")
    return section


def _maps(value: str) -> bool | tuple[str, ...]:
    """Return which maps are asked for: all of them, or names."""
    if value == _ALL:
        return True
    names = tuple(name.strip() for name in value.split(","))
    if unknown := [name for name in names if name not in PARAMS]:
        raise argparse.ArgumentTypeError(
            f"'{unknown[0]}' is not a map: all, or some of {', '.join(PARAMS)}"
        )
    return names


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default: those of the process.

    Returns
    -------
    int
        0 done; else as `bids_sr.entry_point.run_command`.
    """
    given = sys.argv[1:] if argv is None else list(argv)

    def work() -> int:
        options = build_parser().parse_args(given)
        options.threads = options.threads or min(MOST_THREADS, len(os.sched_getaffinity(0)))
        prepare_environment(options.threads)
        configure_messages(Messages(options.verbose))
        refuse_too_small()
        _tell(_super_resolve(options))
        return 0

    return run_command("bids-sr-file", work, given)


def _super_resolve(options: argparse.Namespace) -> SuperResolvedFile:
    # imported late: it pulls in the numerical libraries
    from bids_sr.api.series import super_resolve

    given = dict(vars(options))
    del given["verbose"]
    given["maps"] = given["maps"] or False
    given["detect_band"] = given.pop("input_band") == "auto"
    given["input_matrix"] = types.sides(given["input_matrix"])
    given["memory_gb"] = usable_memory_gb(given.pop("memory_mb"))
    return super_resolve(**given)


def _tell(made: SuperResolvedFile) -> None:
    maps = f", maps {', '.join(made.maps)}" if made.maps else ""
    _log.info(
        "%s: done with %s (factor %d) on %s in %.1f s%s",
        made.dwi, made.model, made.factor, made.device, made.seconds, maps,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
