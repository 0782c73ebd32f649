"""The command ``bids-sr-models``: listing the available networks, and importing published ones."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_sr.command_parser import CommandParser
from bids_sr.entry_point import run_command

if TYPE_CHECKING:
    from bids_sr.networks.card import ModelCard


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; imports are light, so that ``--help`` is fast."""
    parser = CommandParser(
        prog="bids-sr-models",
        description="List, show, verify and import networks.",
        add_version=True,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    shipped = commands.add_parser(
        "list", help="the shipped networks: default, factor, size, what they were trained on"
    )
    show = commands.add_parser("show", help="what a network is, in short")
    show.add_argument("model", help="name or folder")
    for command in (shipped, show):
        command.add_argument("--json", action="store_true", help="print whole cards, as JSON")
    verify = commands.add_parser(
        "verify", help="verify checksums, and that weights match their card"
    )
    verify.add_argument("models", nargs="*", help="names or folders; default: all shipped")
    bring = commands.add_parser("import", help="make a model folder from a published .pth")
    bring.add_argument("file", type=Path, help="as saved by fastai's learn.save: SR_R18_*.pth")
    bring.add_argument("--name", required=True, help="name of the model")
    bring.add_argument(
        "--factor",
        type=int,
        required=True,
        choices=[2, 3],
        help="in-plane factor it was trained for",
    )
    bring.add_argument(
        "--output",
        type=Path,
        default=Path(),
        help="where to put the model folder; default: the working directory",
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


def _list(options: argparse.Namespace) -> list[str]:
    from bids_sr.app.model_tables import model_table
    from bids_sr.networks.registry import list_models

    cards = list_models()
    if options.json:
        return [_json([card.to_dict() for card in cards.values()])]
    return model_table(list(cards.values()))


def _show(options: argparse.Namespace) -> list[str]:
    from bids_sr.app.model_tables import model_facts
    from bids_sr.networks.registry import find_card

    card = find_card(options.model)
    if options.json:
        return [_json(card.to_dict())]
    command = f"bids-sr-models show {shlex.quote(options.model)} --json"
    return [*model_facts(card), "", f"The whole card: {command}"]


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _verify(options: argparse.Namespace) -> list[str]:
    from bids_sr.networks.loading import load_network
    from bids_sr.networks.registry import find_card, list_models

    lines = []
    for model in options.models or list_models():
        card: ModelCard = find_card(model)
        load_network(card)
        lines.append(f"{card.name}: OK ({card.sha256})")
    return lines


def _import(options: argparse.Namespace) -> list[str]:
    from bids_sr.networks.importing import import_paper_weights

    folder = options.output / options.name
    card = import_paper_weights(options.file, folder, options.factor)
    return [f"Imported: {card.folder} (bids-sr ... --scale {card.factor} --model {card.folder})"]


_COMMANDS = {"list": _list, "show": _show, "verify": _verify, "import": _import}
