"""The command line: what users of fMRIPrep, QSIPrep and MRIQC expect, and ours.

Nothing heavy is imported here, so that ``--help`` and ``--version`` answer at once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from bids_sr import __version__
from bids_sr.evaluation.defaults import SELF_CHECKS
from bids_sr.resources import resource
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE, UNCERTAINTY_ENSEMBLE

_AXES = {"i": 0, "j": 1, "k": 2, "0": 0, "1": 1, "2": 2}
_LEAST_MEMORY_MB = 1000
_MEGABYTES = {"K": 1e-3, "M": 1.0, "G": 1e3, "T": 1e6}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``bids-sr``.

    Returns
    -------
    argparse.ArgumentParser
        Its namespace is turned into settings by
        `bids_sr.app.settings.make_settings`.
    """
    parser = argparse.ArgumentParser(
        prog="bids-sr",
        description="Super-resolution of diffusion MRI: every DWI run of a BIDS dataset comes back "
        "with 2x2 or 3x3 times as many voxels in plane, with tensor and GQI maps and a report.",
        epilog="Exit status: 0 all done; 1 a run failed (the others finished), or its quality with "
        "--fail-on-qc; 2 the command line "
        "or the dataset cannot be used; 70 internal error.",
        allow_abbrev=False,
    )
    _add_positionals(parser)
    _add_selection(parser.add_argument_group("what to process"))
    _add_super_resolution(parser.add_argument_group("super-resolution"))
    _add_quality(parser.add_argument_group("quality"))
    _add_performance(parser.add_argument_group("performance"))
    _add_execution(parser.add_argument_group("work folder and execution"))
    _add_general(parser.add_argument_group("general"))
    return parser


def _add_positionals(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bids_dir", type=Path, help="the BIDS dataset: raw, or the output of QSIPrep"
    )
    parser.add_argument("output_dir", type=Path, help="where the derivative dataset is written")
    parser.add_argument(
        "analysis_level",
        choices=("participant", "group"),
        help="participant: process the runs; group: one table and page of all runs in output_dir",
    )


def _add_selection(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--participant-label",
        "--participant_label",
        dest="participants",
        nargs="+",
        type=_label("sub-"),
        default=(),
        metavar="LABEL",
        help="participants to process, with or without 'sub-'; default: all",
    )
    group.add_argument(
        "--session-id",
        "--session-label",
        "--session_label",
        dest="sessions",
        nargs="+",
        type=_label("ses-"),
        default=(),
        metavar="LABEL",
        help="sessions to process, with or without 'ses-'; default: all",
    )
    group.add_argument(
        "--bids-filter-file",
        type=Path,
        metavar="FILE",
        help='JSON file that narrows the choice of runs, for example {"dwi": {"acquisition": '
        '"multiband"}}',
    )
    group.add_argument(
        "--bids-database-dir",
        type=Path,
        metavar="DIR",
        help="folder of a PyBIDS database of the dataset: read if there is one, else made",
    )
    group.add_argument(
        "-d",
        "--derivatives",
        nargs="+",
        type=_derivative,
        default=(),
        metavar="NAME=PATH",
        help="process the preprocessed runs of this derivative dataset, for example "
        "qsiprep=/data/derivatives/qsiprep",
    )
    group.add_argument(
        "--skip-bids-validation",
        action="store_true",
        help="do not run the BIDS validator on the input (it is run if it is installed; what it "
        "finds is logged and stops nothing)",
    )


def _add_super_resolution(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--scale",
        type=int,
        choices=(2, 3),
        default=2,
        help="in-plane factor: 2 is 4-fold, 3 is 9-fold super-resolution; default: %(default)s",
    )
    group.add_argument(
        "--model",
        metavar="NAME|FOLDER",
        help="network: the name of a shipped one or the folder of your own; default: the shipped "
        f"one for the factor. Shipped: {', '.join(_shipped_models()) or 'none'}",
    )
    group.add_argument(
        "--slice-axis",
        type=_slice_axis,
        metavar="{i,j,k,0,1,2}",
        help="voxel axis along which slices were acquired; default: SliceEncodingDirection of the "
        "sidecar, else the one axis with thicker voxels, else k",
    )
    group.add_argument(
        "--no-data-consistency",
        dest="data_consistency",
        action="store_false",
        help="keep the network's output as it is; by default its low spatial frequencies are "
        "replaced by the measured ones",
    )
    group.add_argument(
        "--input-band",
        choices=("auto", "full"),
        default="auto",
        help="auto: find out whether the scanner interpolated (zero-filled) the slices, and apply "
        "data consistency only to what it measured; full: all was measured; default: %(default)s",
    )
    group.add_argument(
        "--ensemble",
        type=int,
        choices=(1, 2, 4, 8),
        help="average the network over so many turned copies of each slice; the time of the "
        f"network grows as much, 1 is fastest; default: {DEFAULT_ENSEMBLE}",
    )
    group.add_argument(
        "--uncertainty",
        action="store_true",
        help=f"average over all {UNCERTAINTY_ENSEMBLE} turned copies and write by how much they "
        "differ: standard deviations of every volume and of FA (see docs/method.md: they are less "
        f"than the error). The work folder holds {UNCERTAINTY_ENSEMBLE} more series for a while",
    )


def _add_quality(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--self-check",
        choices=SELF_CHECKS,
        default="auto",
        help="coarsen the scan itself by the factor, super-resolve that and compare it with the "
        "scan, beside interpolation; auto: a few slices and volumes; full: all of them; off: not "
        "at all; default: %(default)s",
    )
    group.add_argument(
        "--fail-on-qc",
        action="store_true",
        help="end with status 1 if the quality of a run is judged 'fail', be it finished now or "
        "before; everything is written nevertheless",
    )


def _add_performance(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--device",
        type=_device,
        default="auto",
        metavar="{auto,cpu,cuda,cuda:N}",
        help="where the network runs; auto: all visible GPUs, with runs dealt out among them, or "
        "the CPU if there is none; cuda: all, and at least one; default: %(default)s",
    )
    group.add_argument(
        "--batch-size",
        type=_positive,
        metavar="N",
        help="slices that go through the network at once; lower it when memory runs out",
    )
    group.add_argument(
        "--nprocs",
        "--n-cpus",
        "--n_cpus",
        dest="nprocs",
        type=_positive,
        metavar="N",
        help="CPU cores to use in all; default: all that this process may use",
    )
    group.add_argument(
        "--omp-nthreads",
        "--omp_nthreads",
        dest="threads",
        type=_positive,
        metavar="N",
        help="CPU cores that one step may use; default: up to 8 of --nprocs",
    )
    group.add_argument(
        "--mem-mb",
        "--mem_mb",
        dest="memory_mb",
        type=_memory,
        metavar="SIZE",
        help="memory that steps running side by side may use in all: megabytes, or with a suffix "
        "K, M, G or T; default: 90%% of the machine's",
    )


def _add_execution(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="folder for what lets an interrupted run go on; small (but see --uncertainty); "
        "default: a temporary one",
    )
    group.add_argument(
        "--clean-workdir", action="store_true", help="empty the folder given by -w first"
    )
    group.add_argument(
        "--stop-on-first-crash",
        action="store_true",
        help="end everything when one run fails; default: the other runs go on",
    )
    group.add_argument(
        "--use-plugin",
        type=Path,
        metavar="FILE",
        help="YAML file that names another nipype plugin, for example a cluster's, and its "
        "arguments; give -w a folder that all machines see",
    )
    group.add_argument(
        "--write-graph",
        action="store_true",
        help="draw the graph of the workflow into the log folder (needs Graphviz for a picture)",
    )
    group.add_argument(
        "--reports-only",
        action="store_true",
        help="process nothing, write the participant pages anew from the records and pictures in "
        "output_dir; bids_dir is not read",
    )


def _add_general(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--version", action="version", version=f"bids_sr {__version__}")
    group.add_argument(
        "-v", "--verbose", action="count", default=0, help="say more; -vv: nipype's messages too"
    )
    group.add_argument(
        "--notrack", action="store_true", help="accepted for compatibility: nothing is ever sent"
    )


def _shipped_models() -> list[str]:
    # the folder names only: reading the cards is the registry's work, later
    try:
        return sorted(card.parent.name for card in resource("models").glob("*/card.json"))
    except FileNotFoundError:
        return []


def _label(prefix: str) -> Callable[[str], str]:
    def label(value: str) -> str:
        bare = value.removeprefix(prefix)
        if not re.fullmatch(r"[0-9A-Za-z+]+", bare):
            raise argparse.ArgumentTypeError(f"'{value}' is not a label: letters and digits only")
        return bare

    return label


def _derivative(value: str) -> tuple[str, Path]:
    name, equals, path = value.partition("=")
    if not equals:
        name, path = Path(value).resolve().name, value
    if not (name and path):
        raise argparse.ArgumentTypeError(f"'{value}' is not NAME=PATH")
    return name, Path(path)


def _slice_axis(value: str) -> int:
    if value not in _AXES:
        raise argparse.ArgumentTypeError(f"'{value}' is not one of i, j, k, 0, 1, 2")
    return _AXES[value]


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise argparse.ArgumentTypeError(f"'{value}' is not auto, cpu, cuda or cuda:N")
    return value


def _positive(value: str) -> int:
    if not re.fullmatch(r"0*[1-9]\d*", value):
        raise argparse.ArgumentTypeError(f"'{value}' is not a whole number above 0")
    return int(value)


def _memory(value: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", value.strip().upper())
    size = float(found[1]) * _MEGABYTES[found[2] or "M"] if found else 0.0
    if size <= 0:
        raise argparse.ArgumentTypeError(f"'{value}' is not a size: write 8000, 8000M or 8G")
    if size < _LEAST_MEMORY_MB:
        raise argparse.ArgumentTypeError(
            f"'{value}' is {size:g} MB, but a step needs at least 1 GB: write 8000, 8000M or 8G"
        )
    return size
