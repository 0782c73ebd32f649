"""Options of super-resolution and of quality control."""

from __future__ import annotations

import argparse

from bids_sr.app import types
from bids_sr.app.options.sections import Section
from bids_sr.diffusion.defaults import GRADIENT_CHECKS, WARN
from bids_sr.evaluation.defaults import SELF_CHECKS
from bids_sr.images.storage import DTYPES
from bids_sr.resources import resource
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE, SLOPPY_ENSEMBLE, UNCERTAINTY_ENSEMBLE


def add_super_resolution(parser: argparse.ArgumentParser) -> Section:
    """Add the group of options to a parser, and return it."""
    section = Section(parser, "super-resolution")
    section.add(
        "--scale",
        type=int,
        choices=(2, 3),
        default=2,
        help="in-plane factor: 2 is 4-fold, 3 is 9-fold super-resolution",
    )
    add_network_and_slices(section)
    section.add(
        "--ensemble",
        type=int,
        choices=(1, 2, 4, 8),
        help="average the network over this number of rotations and flips of each slice (a "
        "self-ensemble); the network's time grows in proportion, 1 is fastest",
        shown=f"{DEFAULT_ENSEMBLE}; {UNCERTAINTY_ENSEMBLE} with --uncertainty",
    )
    section.add(
        "--uncertainty",
        action="store_true",
        help=f"average over all {UNCERTAINTY_ENSEMBLE} rotations and flips, and write the standard "
        "deviation over them, of every volume and of FA (see docs/method.md: it is less than the "
        "error). The work folder temporarily holds the output of each",
    )
    add_output_dtype(section)
    section.add(
        "--no-maps",
        dest="maps",
        action="store_false",
        help="write no diffusion maps (tensor, GQI), if you fit them elsewhere; metrics and "
        "pictures still use them, in the work folder",
    )
    section.add(
        "--sloppy",
        action="store_true",
        help=f"fast but poor, only for trying things out: --ensemble {SLOPPY_ENSEMBLE} and "
        "--self-check off unless these are given; noted in sidecars and report",
    )
    return section


def add_quality(parser: argparse.ArgumentParser) -> Section:
    """Add the group of options to a parser, and return it."""
    section = Section(parser, "quality")
    add_gradient_check(section)
    section.add(
        "--self-check",
        choices=SELF_CHECKS,
        help="downsample the scan itself by the factor, super-resolve that and compare it with the "
        "scan, as well as interpolation; auto: a few slices and volumes; full: all of them; off: "
        "no self-check",
        shown="auto",
    )
    section.add(
        "--fail-on-qc",
        action="store_true",
        help="exit with status 1 if the quality of a run is 'fail', whether it was finished now or "
        "before; all outputs are written",
    )
    return section


def add_network_and_slices(section: Section) -> None:
    """Add the options of the network and of how slices were acquired, for all commands."""
    section.add(
        "--model",
        metavar="NAME|FOLDER",
        help="network: the name of a shipped one or the folder of another. Shipped: "
        f"{', '.join(shipped_models()) or 'none'}",
        shown="the shipped one for the factor",
    )
    section.add(
        "--slice-axis",
        type=types.slice_axis,
        metavar="{i,j,k,0,1,2}",
        help="voxel axis across the acquired slices",
        shown="SliceEncodingDirection of the sidecar, else the one axis of thicker voxels, else k",
    )
    section.add(
        "--no-data-consistency",
        dest="data_consistency",
        action="store_false",
        help="keep the network's output unchanged; otherwise the input image's own spatial "
        "frequencies are kept",
    )
    section.add(
        "--input-band",
        choices=("auto", "full"),
        default="auto",
        help="auto: detect whether the scanner interpolated (zero-filled) the slices, resample "
        "them to the acquired matrix and apply the factor to that; full: all was measured",
    )
    section.add(
        "--input-matrix",
        type=types.matrix,
        metavar="AxB",
        help="the acquired in-plane matrix, if known (110x110): pixels along "
        "the two in-plane voxel axes, in the order i, j, k",
        shown="detected",
    )


def add_output_dtype(section: Section) -> None:
    """Add the option of the stored data type, for all commands."""
    section.add(
        "--output-dtype",
        choices=DTYPES,
        default="float32",
        help="data type in which the super-resolved series is stored; int16 takes a third of "
        "the disk and rounds to steps far below the noise (docs/performance.md)",
    )


def add_gradient_check(section: Section) -> None:
    """Add the option of the gradient check, for all commands."""
    section.add(
        "--gradient-check",
        choices=GRADIENT_CHECKS,
        default=WARN,
        help="check axes and signs of the gradient table by the coherence of "
        "the fibres; warn: log what is wrong and how to correct it; fix: use a corrected table "
        "for the run and write it; off: no check",
    )


def shipped_models() -> list[str]:
    """Return the names of the shipped networks."""
    # only the folder names: the registry reads the cards later
    try:
        return sorted(card.parent.name for card in resource("models").glob("*/card.json"))
    except FileNotFoundError:
        return []
