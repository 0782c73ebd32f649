"""Write the Boutiques descriptor of bids-sr from its command-line parser, so that they agree.

python examples/boutiques/make_descriptor.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bids_sr import __version__
from bids_sr.app.parser import build_parser

DESCRIPTOR = Path(__file__).parent / "bids_sr.json"
READ = ("BIDS_DIR", "FILE")
"""Metavars of what must be there beforehand; Boutiques looks for inputs of type File."""
CODES = {
    1: "A run failed, while the others finished; or the quality of one, with --fail-on-qc.",
    2: "The command line or the dataset cannot be used.",
    70: "Internal error.",
    130: "Interrupted.",
    143: "Ended by the scheduler.",
}


def make_descriptor() -> dict[str, Any]:
    """Return the descriptor as JSON content."""
    parser = build_parser()
    hidden = (argparse._HelpAction, argparse._VersionAction)
    actions = [action for action in parser._actions if not isinstance(action, hidden)]
    inputs = [describe(action, parser) for action in actions if action.help != argparse.SUPPRESS]
    keys = [entry["value-key"] for entry in inputs]
    return {
        "name": "bids_sr",
        "description": str(parser.description),
        "tool-version": __version__,
        "schema-version": "0.5",
        "author": "The bids_sr developers",
        "command-line": " ".join(["bids-sr", *keys]),
        "container-image": {"type": "docker", "image": f"bids_sr:{__version__}"},
        "inputs": inputs,
        "output-files": [
            {
                "id": "output_dataset",
                "name": "Derivative dataset",
                "description": "Super-resolved series, maps, quality metrics and reports.",
                "path-template": "[OUTPUT_DIR]",
                "optional": False,
            },
            {
                "id": "group_table",
                "name": "Table of all runs",
                "description": "Written by analysis level 'group'.",
                "path-template": "[OUTPUT_DIR]/group_dwi.tsv",
                "optional": True,
            },
        ],
        "error-codes": [{"code": code, "description": text} for code, text in CODES.items()],
        "suggested-resources": {"cpu-cores": 4, "ram": 16},
        "tags": {
            "domain": ["neuroinformatics", "mri"],
            "purpose": "super-resolution",
            "data": "diffusion MRI",
            "format": "BIDS",
        },
    }


def describe(action: argparse.Action, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return the descriptor's entry of one argument."""
    # positionals have no option strings; of several spellings the first long one is the main one
    flag = next((text for text in action.option_strings if text.startswith("--")), None)
    name = (flag or action.dest).lstrip("-").replace("-", "_")
    entry: dict[str, Any] = {
        "id": name,
        "name": name.replace("_", " "),
        "description": parser._get_formatter()._expand_help(action),
        "value-key": f"[{name.upper()}]",
        "optional": bool(action.option_strings),
        **_type(action, name),
    }
    if flag:
        entry["command-line-flag"] = flag
    if action.nargs == "+":
        entry |= {"list": True, "min-list-entries": 1}
    if action.choices is not None:
        entry["value-choices"] = list(action.choices)
        entry.pop("integer", None)  # of an integer, Boutiques does not look at the choices
    return entry


def _type(action: argparse.Action, name: str) -> dict[str, Any]:
    if action.nargs == 0:
        return {"type": "Flag"}
    if action.type is int:
        return {"type": "Number", "integer": True}
    if getattr(action.type, "__name__", "") == "positive":
        return {"type": "Number", "integer": True, "minimum": 1}
    if (action.metavar or name.upper()) in READ:
        return {"type": "File"}
    return {"type": "String"}


def main() -> None:
    """Write the file."""
    DESCRIPTOR.write_text(json.dumps(make_descriptor(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
