"""The command ``bids-sr-models``: the networks at hand, and importing published ones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.entry_point import run_command

if TYPE_CHECKING:
    from bids_sr.networks.card import ModelCard


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; importing nothing heavy keeps ``--help`` quick."""
    parser = argparse.ArgumentParser(
        prog="bids-sr-models", description="List, show, verify and import networks."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name, factor and licence of the shipped networks")
    show = commands.add_parser("show", help="print the card of a network")
    show.add_argument("model", help="name or folder")
    verify = commands.add_parser("verify", help="check checksums, and that weights fit their card")
    verify.add_argument("models", nargs="*", help="names or folders (default: all shipped)")
    bring = commands.add_parser("import", help="make a model folder of a published .pth")
    bring.add_argument("file", type=Path, help="as saved by fastai's learn.save: SR_R18_*.pth")
    bring.add_argument("--name", required=True, help="name of the model")
    bring.add_argument(
        "--factor", type=int, required=True, choices=[2, 3], help="in-plane factor it was made for"
    )
    bring.add_argument(
        "--output", type=Path, default=Path(), help="takes the model folder (default: here)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default: those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 2 a network is missing, damaged or of the wrong kind; else as
        `bids_sr.entry_point.run_command`.
    """
    given = sys.argv[1:] if argv is None else list(argv)

    def work() -> int:
        options = build_parser().parse_args(given)
        lines = _COMMANDS[options.command](options)
        sys.stdout.write("\n".join(lines) + "\n")
        return 0

    return run_command("bids-sr-models", work, given)


def _list(_options: argparse.Namespace) -> list[str]:
    from bids_sr.networks.registry import list_models

    return [
        f"{name}  x{card.factor}  {card.degradation}  {card.licence}"
        for name, card in list_models().items()
    ]


def _show(options: argparse.Namespace) -> list[str]:
    from bids_sr.networks.card import CARD
    from bids_sr.networks.registry import find_card

    return [(find_card(options.model).folder / CARD).read_text(encoding="utf-8").rstrip()]


def _verify(options: argparse.Namespace) -> list[str]:
    from bids_sr.networks.loading import load_network
    from bids_sr.networks.registry import find_card, list_models

    lines = []
    for model in options.models or list_models():
        card: ModelCard = find_card(model)
        load_network(card)
        lines.append(f"{card.name}: sound ({card.sha256})")
    return lines


def _import(options: argparse.Namespace) -> list[str]:
    from bids_sr.networks.importing import import_paper_weights

    folder = options.output / options.name
    card = import_paper_weights(options.file, folder, options.factor)
    return [f"Imported: {card.folder} (bids-sr ... --scale {card.factor} --model {card.folder})"]


_COMMANDS = {"list": _list, "show": _show, "verify": _verify, "import": _import}
