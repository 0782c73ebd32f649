"""The arguments of ``bids-sr-train``; nothing heavy is imported, which keeps ``--help`` quick."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bids_sr.diffusion.defaults import REFUSE, TRAINING_CHECKS

_TAPS = (0, 1, 3, 5, 7, 9)


class _Several(argparse.Action):
    """A list that adds up if the option is given several times; its default does not count."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the values of one occurrence."""
        before = getattr(namespace, self.dest, self.default)
        given = [] if before is self.default else before or []
        setattr(namespace, self.dest, [*given, *values])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        prog="bids-sr-train",
        description="Train a super-resolution network on the DWI runs of a BIDS dataset."
        " Run it again with the same arguments to go on after an interruption.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("bids_dir", type=Path, help="BIDS dataset, or HCP folder, with high-resolution DWI")
    add("output_dir", type=Path, help="takes checkpoint, logs and the model folder")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--train-label",
        nargs="+",
        action=_Several,
        required=True,
        help="participants to learn from",
    )
    data.add_argument(
        "--validate-label", nargs="+", action=_Several, default=[], help="participants held out"
    )
    data.add_argument(
        "--gradient-check",
        default=REFUSE,
        choices=TRAINING_CHECKS,
        help="what is done about a scan whose gradient table does not fit its image: it is"
        " refused; it is used, with a warning; it is used with a corrected table; nobody looks",
    )
    data.add_argument("--cache", type=Path, help="prepared slices (default: OUTPUT_DIR/cache)")
    data.add_argument(
        "--degradation",
        nargs="+",
        action=_Several,
        default=["kspace"],
        choices=["kspace", "kspace-tukey", "box", "resize-cubic"],
        help="how low-resolution slices are made; several: each scan in all these ways",
    )
    data.add_argument(
        "--coarsening",
        nargs="+",
        action=_Several,
        type=float,
        default=[1.0],
        help="in-plane voxel sizes to train on, relative to each scan's own",
    )
    data.add_argument(
        "--zero-filled",
        type=float,
        default=0.0,
        help="share of patches whose input is cut to 60-95 %% of its band, as scanners that"
        " interpolate do",
    )
    data.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="largest level of Rician noise added to the input, of the b0's bright tissue",
    )
    data.add_argument("--b0-share", type=float, default=0.15, help="share of patches of b0s")
    data.add_argument("--subset", type=int, default=15, help="directions per smaller view")
    _add_network(parser.add_argument_group("network", "default: as the model of --init-from"))
    loss = parser.add_argument_group("loss")
    loss.add_argument(
        "--layers",
        nargs="*",
        action=_Several,
        default=["relu1_2=0.1"],
        metavar="LAYER=WEIGHT",
        help="VGG16 layers of the feature loss; none for L1 alone",
    )
    loss.add_argument(
        "--feature-network",
        default="vgg16",
        choices=["vgg16", "vgg16_bn"],
        help="network of the feature loss; vgg16_bn is the article's",
    )
    loss.add_argument(
        "--vgg16", type=Path, help="its weights as safetensors, in place of a download"
    )
    loss.add_argument("--feature-crop", type=int, default=48, help="pixels compared by features")
    how = parser.add_argument_group("optimisation")
    how.add_argument(
        "--init-from",
        default="",
        metavar="MODEL",
        help="start from the weights of this model (name or folder), of any factor",
    )
    how.add_argument("--steps", type=int, default=8000, help=" ")
    how.add_argument("--batch-size", type=int, default=16, help="patches per step")
    how.add_argument("--patch", type=int, default=40, help="low-resolution patch side, pixels")
    how.add_argument("--learning-rate", type=float, default=8e-4, help=" ")
    how.add_argument("--schedule", default="cosine", choices=["cosine", "one-cycle"], help=" ")
    how.add_argument("--weight-decay", type=float, default=1e-4, help=" ")
    how.add_argument("--ema", type=float, default=0.998, help="decay of the mean of weights")
    how.add_argument("--seed", type=int, default=42, help=" ")
    how.add_argument("--validate-every", type=int, default=500, help="steps")
    how.add_argument("--checkpoint-every", type=int, default=250, help="steps")
    how.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N")
    card = parser.add_argument_group("model card")
    card.add_argument("--name", help="name of the model folder (default: trained-x<scale>)")
    card.add_argument("--licence", default="not stated", help="licence of the weights")
    card.add_argument(
        "--credit", nargs="*", action=_Several, default=[], help="whom to credit, one text each"
    )
    return parser


def _add_network(group: argparse._ArgumentGroup) -> None:
    """Add what a model to start from decides, unless it is said: absent if it is not."""

    def add(name: str, words: str, otherwise: str, **how: Any) -> None:
        words += f" (without --init-from: {otherwise})"
        group.add_argument(name, default=argparse.SUPPRESS, help=words, **how)

    add("--scale", "in-plane factor", "2", type=int, choices=[2, 3])
    add("--channels", "what it reads", "dwi mean_b0 mean_dwi tensor", nargs="+", action=_Several)
    add("--width", "feature maps at full resolution", "40", type=_counted(1))
    add("--depth", "number of halvings", "3", type=_counted(1))
    add("--blocks", "residual blocks per level", "1", type=_counted(1))
    add("--taps", "side of predicted kernels; 0 for none", "0", type=int, choices=_TAPS)


def _counted(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise ValueError(text)
        return value

    return number
