"""Command-line parser of ``bids-sr-train``; light imports keep ``--help`` fast."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import fields_dict

from bids_sr.argument_types import real, whole
from bids_sr.command_parser import CommandParser, add_device_option
from bids_sr.diffusion.defaults import REFUSE, TRAINING_CHECKS
from bids_sr.training.series_settings import TRUNKS, SeriesSettings
from bids_sr.training.settings import TrainingSettings

SERIES, VOLUME = "series", "volume"
KINDS = {SERIES: SeriesSettings, VOLUME: TrainingSettings}
"""Settings class of each kind of network."""
_TAPS = (0, 1, 3, 5, 7, 9)
_SCHEDULES = ("constant", "cosine", "one-cycle")
_NAMES = {"factor": "scale"}
"""Settings whose option has a different name."""


def option_of(setting: str) -> str:
    """Return the option name of a setting."""
    return "--" + _NAMES.get(setting, setting).replace("_", "-")


class _Several(argparse.Action):
    """List option that accumulates over repeated use; given values replace the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Append the values of one use of the option."""
        before = getattr(namespace, self.dest, self.default)
        given = [] if before is self.default else before or []
        setattr(namespace, self.dest, [*given, *values])


class _Settings:
    """Adds options whose defaults are those of the settings; not in the namespace unless given."""

    def __init__(self, group: argparse._ArgumentGroup) -> None:
        self._group = group

    def __call__(self, setting: str, words: str, **how: Any) -> None:
        self._group.add_argument(
            option_of(setting),
            dest=setting,
            default=argparse.SUPPRESS,
            help=f"{words}; {_default(setting)}",
            **how,
        )


def _default(setting: str) -> str:
    told = {}
    if setting in fields_dict(SeriesSettings):
        two, three = (_shown(getattr(SeriesSettings(factor=f), setting)) for f in (2, 3))
        told[SERIES] = two if two == three or setting == "factor" else f"{two}, x3: {three}"
    if setting in fields_dict(TrainingSettings):
        told[VOLUME] = _shown(getattr(TrainingSettings(), setting))
    if setting == "precision":
        told[SERIES] = "auto"
    if len(set(told.values())) == 1 and len(told) > 1:
        return f"default: {told[SERIES]}"
    if len(told) > 1:
        return f"default: {told[SERIES]}; with --kind volume: {told[VOLUME]}"
    ((kind, value),) = told.items()
    return f"--kind {kind} only; default: {value}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{layer}={weight:g}" for layer, weight in value.items())
    if isinstance(value, tuple):
        return " ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``bids-sr-train``."""
    parser = CommandParser(
        prog="bids-sr-train",
        description="Train a super-resolution network on the DWI runs of a BIDS dataset."
        " Run it again with the same arguments to continue after an interruption.",
        add_version=True,
    )
    add = parser.add_argument
    add("bids_dir", type=Path, help="BIDS dataset, or HCP folder, with high-resolution DWI")
    add("output_dir", type=Path, help="where to write checkpoint, logs and the model folder")
    add(
        "--kind",
        default=SERIES,
        choices=list(KINDS),
        help="a network that sees a slice once per shell and gives the detail of all its"
        " directions, or one that sees each volume in turn",
    )
    _add_data(parser.add_argument_group("data"))
    _add_network(parser.add_argument_group("network", "as the model of --init-from, if given"))
    _add_loss(parser.add_argument_group("loss"))
    _add_optimisation(parser.add_argument_group("optimisation"))
    card = parser.add_argument_group("model card")
    card.add_argument("--name", help="name of the model folder; default: trained-x2 or trained-x3")
    card.add_argument("--licence", "--license", default="not stated", help="licence of the weights")
    card.add_argument(
        "--credit", nargs="*", action=_Several, default=[], help="credits, one string each"
    )
    return parser


def _add_data(group: argparse._ArgumentGroup) -> None:
    setting = _Settings(group)
    group.add_argument(
        "--train-label",
        nargs="+",
        action=_Several,
        required=True,
        metavar="LABEL",
        help="participants to train on",
    )
    group.add_argument(
        "--validate-label",
        nargs="+",
        action=_Several,
        default=[],
        metavar="LABEL",
        help="participants held out",
    )
    group.add_argument(
        "--gradient-check",
        default=REFUSE,
        choices=TRAINING_CHECKS,
        help="action on a scan whose gradient table does not match its image: refuse"
        " it; use it with a warning; use it with a corrected table; do not check",
    )
    group.add_argument("--cache", type=Path, help="prepared slices; default: OUTPUT_DIR/cache")
    setting(
        "coarsening",
        "in-plane voxel sizes to train on, relative to each scan's own",
        nargs="+",
        action=_Several,
        type=real(1),
    )
    setting(
        "finest",
        "smallest low-resolution in-plane voxel side, mm, to train on",
        type=real(0),
    )
    setting(
        "zero_filled",
        "fraction of patches whose input is cut to 60-95 %% of its band, as by scanners that"
        " interpolate do",
        type=real(0, 1),
    )
    setting("noise", "largest noise added to the input, in units of bright tissue", type=real(0))
    setting(
        "subsets",
        "additional inputs made from subsets of 8 to 16 directions of each shell",
        type=whole(0),
    )
    setting(
        "degradation",
        "how low-resolution slices are made; several: each scan in all of these ways",
        nargs="+",
        action=_Several,
        choices=["kspace", "kspace-tukey", "box", "resize-cubic"],
    )
    setting("b0_share", "fraction of patches of b0s", type=real(0, 1))
    setting("subset", "directions per smaller view of a run; 0 for none", type=whole(0))


def _add_network(group: argparse._ArgumentGroup) -> None:
    setting = _Settings(group)
    setting("factor", "in-plane factor", type=int, choices=[2, 3])
    setting("channels", "input channels", nargs="+", action=_Several)
    setting("width", "feature maps at full resolution", type=whole(1))
    setting("depth", "number of halvings", type=whole(1))
    setting("blocks", "residual blocks per level", type=whole(1))
    setting("widest", "most feature maps of a level", type=whole(1))
    setting("taps", "side of predicted kernels; 0 for none", type=int, choices=_TAPS)
    setting(
        "trunks",
        "parts to train, b0 and mean or l = 2; the other keeps the weights of --init-from",
        nargs="+",
        choices=TRUNKS,
    )
    setting("l2_width", "as --width, of the part for l = 2", type=whole(1))
    setting("l2_depth", "as --depth, of the part for l = 2", type=whole(1))
    setting("l2_widest", "as --widest, of the part for l = 2", type=whole(1))
    setting("l2_taps", "as --taps, of the part for l = 2", type=int, choices=_TAPS)


def _add_loss(group: argparse._ArgumentGroup) -> None:
    setting = _Settings(group)
    setting(
        "layers",
        "VGG16 layers of the feature loss; none for a pixel loss only",
        nargs="*",
        action=_Several,
        metavar="LAYER=WEIGHT",
    )
    setting(
        "feature_network",
        "network of the feature loss; vgg16_bn is the article's",
        choices=["vgg16", "vgg16_bn"],
    )
    group.add_argument("--vgg16", type=Path, help="its weights as safetensors; default: downloaded")
    setting("feature_crop", "pixels compared by features", type=whole(1))


def _add_optimisation(group: argparse._ArgumentGroup) -> None:
    setting = _Settings(group)
    group.add_argument(
        "--init-from",
        default="",
        metavar="MODEL",
        help="start from the weights of this model (name or folder), of any factor",
    )
    setting("steps", "total number of optimiser steps", type=whole(1))
    setting("batch_size", "patches per step", type=whole(1))
    setting("patch", "low-resolution patch side, pixels", type=whole(4))
    setting("learning_rate", "peak of the schedule", type=real(0))
    setting("warmup", "steps of linear warm-up", type=whole(0))
    setting(
        "schedule",
        "of the learning rate; constant goes down over the last fifth of the steps",
        choices=_SCHEDULES,
    )
    setting("clip", "largest norm of the gradient; 0: twice its running average", type=real(0))
    setting("weight_decay", "of AdamW", type=real(0))
    setting("ema", "decay of the mean of weights that is kept", type=real(0, 1))
    setting(
        "precision",
        "of the layers; auto: bfloat16 where the processor computes in it",
        choices=["auto", "float32", "bfloat16"],
    )
    setting("seed", "of initial weights and patches", type=whole(0))
    setting("validate_every", "steps", type=whole(1))
    setting("checkpoint_every", "steps", type=whole(1))
    add_device_option(group)


def refused(kind: str, given: Iterable[str]) -> list[str]:
    """Return the given options that a kind of network does not support."""
    return [option_of(name) for name in given if name not in fields_dict(KINDS[kind])]


def settings_given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings given on the command line, by name."""
    known = {name for kind in KINDS.values() for name in fields_dict(kind)} - {"init_from"}
    return {name: value for name, value in vars(arguments).items() if name in known}
