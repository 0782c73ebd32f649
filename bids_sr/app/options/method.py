"""Options of the super-resolution itself and of judging it."""

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
    """Add the group to a parser, and return it."""
    section = Section(parser, "super-resolution")
    section.add(
        "--scale",
        type=int,
        choices=(2, 3),
        default=2,
        help="in-plane factor: 2 is 4-fold, 3 is 9-fold super-resolution",
    )
    section.add(
        "--model",
        metavar="NAME|FOLDER",
        help="network: the name of a shipped one or the folder of your own. Shipped: "
        f"{', '.join(shipped_models()) or 'none'}",
        shown="the shipped one for the factor",
    )
    section.add(
        "--slice-axis",
        type=types.slice_axis,
        metavar="{i,j,k,0,1,2}",
        help="voxel axis along which slices were acquired",
        shown="SliceEncodingDirection of the sidecar, else the one axis of thicker voxels, else k",
    )
    section.add(
        "--no-data-consistency",
        dest="data_consistency",
        action="store_false",
        help="keep the network's output as it is; otherwise its low spatial frequencies are "
        "replaced by the measured ones",
    )
    section.add(
        "--input-band",
        choices=("auto", "full"),
        default="auto",
        help="auto: find out whether the scanner interpolated (zero-filled) the slices, bring them "
        "to the matrix that was acquired and count the factor from there; full: all was measured",
    )
    section.add(
        "--input-matrix",
        type=types.matrix,
        metavar="AxB",
        help="the in-plane matrix that was acquired, where it is known (110x110): pixels along "
        "the two in-plane voxel axes, in the order i, j, k",
        shown="found out",
    )
    section.add(
        "--ensemble",
        type=int,
        choices=(1, 2, 4, 8),
        help="average the network over so many rotations and flips of each slice (a "
        "self-ensemble); the network's time grows as much, 1 is fastest",
        shown=f"{DEFAULT_ENSEMBLE}; {UNCERTAINTY_ENSEMBLE} with --uncertainty",
    )
    section.add(
        "--uncertainty",
        action="store_true",
        help=f"average over all {UNCERTAINTY_ENSEMBLE} rotations and flips, and write the standard "
        "deviation over them, of every volume and of FA (see docs/method.md: it is less than the "
        "error). The work folder holds the output of each for a while",
    )
    section.add(
        "--output-dtype",
        choices=DTYPES,
        default="float32",
        help="numbers in which the super-resolved series is stored; int16 takes a third of "
        "the disk and rounds to steps far below the noise (docs/performance.md)",
    )
    section.add(
        "--no-maps",
        dest="maps",
        action="store_false",
        help="write no diffusion maps (tensor, GQI), for those who fit elsewhere; metrics and "
        "pictures are made of them nevertheless, in the work folder",
    )
    section.add(
        "--sloppy",
        action="store_true",
        help=f"poor but quick, for trying things out only: --ensemble {SLOPPY_ENSEMBLE} and "
        "--self-check off unless these are given; sidecars and report say so",
    )
    return section


def add_quality(parser: argparse.ArgumentParser) -> Section:
    """Add the group to a parser, and return it."""
    section = Section(parser, "quality")
    section.add(
        "--gradient-check",
        choices=GRADIENT_CHECKS,
        default=WARN,
        help="find out whether axes or signs of the gradient table are wrong, by the coherence of "
        "the fibres; warn: say so, with what to do; fix: use a corrected table for all of the run "
        "and write it; off: do not look",
    )
    section.add(
        "--self-check",
        choices=SELF_CHECKS,
        help="coarsen the scan itself by the factor, super-resolve that and compare it with the "
        "scan, beside interpolation; auto: a few slices and volumes; full: all of them; off: not "
        "at all",
        shown="auto",
    )
    section.add(
        "--fail-on-qc",
        action="store_true",
        help="end with status 1 if the quality of a run is judged 'fail', be it finished now or "
        "before; everything is written nevertheless",
    )
    return section


def shipped_models() -> list[str]:
    """Return the names of the networks that come with the program."""
    # the folder names only: reading the cards is the registry's work, later
    try:
        return sorted(card.parent.name for card in resource("models").glob("*/card.json"))
    except FileNotFoundError:
        return []
