"""Validation curves of trainings: ``python -m bids_sr.training.curves FOLDER [FOLDER ...]``."""

from __future__ import annotations

import argparse
import csv
import logging
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.bids.atomic import atomic_path
from bids_sr.command_parser import CommandParser
from bids_sr.entry_point import run_logged_command
from bids_sr.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOG = logging.getLogger("bids_sr")
_PROGRAM = "python -m bids_sr.training.curves"
_VALIDATION = "validation.csv"
_PARTS = {
    "left_b0": "b0",
    "left_mean": "mean over directions",
    "left_l2": "variation between directions",
}
_DPI = 120

Curve = Mapping[int, float]
"""Value by step."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = CommandParser(
        prog=_PROGRAM,
        description="Draw the share of detail that networks leave unexplained on the held-out runs,"
        " by step of their training.",
    )
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="output folder of bids-sr-train; several are compared, named by their folders",
    )
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="the picture, PNG")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the curves.

    Parameters
    ----------
    argv : sequence of str, optional
        Command-line arguments; default: ``sys.argv``.

    Returns
    -------
    int
        Exit code, see `bids_sr.entry_point.run_command`.
    """
    return run_logged_command(_PROGRAM, build_parser, _draw, argv)


def read_curves(folder: Path) -> dict[str, Curve]:
    """Read the validation of a training.

    Parameters
    ----------
    folder : pathlib.Path
        Output folder of ``bids-sr-train``.

    Returns
    -------
    dict
        Curves by column (``left_b0``, ``left_mean``, ``left_l2``): means over the held-out runs, at
        the steps at which noise masks it in none of them. Rows of interpolations are left out.

    Raises
    ------
    UsageError
        If the folder has no validation.
    """
    path = folder / _VALIDATION
    if not path.is_file():
        raise UsageError(
            "does not exist: nothing has been validated in this folder.",
            file=path,
            remedy="Give an output folder of bids-sr-train with --validate-label.",
        )
    found: dict[str, dict[int, list[float]]] = {part: defaultdict(list) for part in _PARTS}
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            if row.get("method", "network") == "network":
                for part, values in found.items():
                    values[int(row["step"])].append(float(row.get(part) or "nan"))
    return {
        part: {step: sum(each) / len(each) for step, each in values.items()}
        for part, values in found.items()
    }


def figure(curves: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Draw the curves of one or several trainings.

    Parameters
    ----------
    curves : mapping
        What `read_curves` returns, by name of the training.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each part of the signal; sinc interpolation is a line at 1.
    """
    # the object interface, since pyplot keeps every figure in a global list
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(10, 3.4), layout="constrained")
    FigureCanvasAgg(made)
    panels = made.subplots(1, len(_PARTS), sharey=True)
    for axes, (part, title) in zip(panels, _PARTS.items(), strict=True):
        _panel(axes, title, {name: each[part] for name, each in curves.items()})
    panels[0].set_ylabel("share of detail left unexplained")
    panels[-1].legend(frameon=False, fontsize="small")
    return made


def _panel(axes: Axes, title: str, curves: Mapping[str, Curve]) -> None:
    axes.axhline(1, color="0.6", linewidth=1, linestyle="--", label="sinc interpolation")
    for name, curve in curves.items():
        steps = sorted(curve)
        axes.plot(steps, [curve[step] for step in steps], marker=".", label=name)
    axes.set(title=title, xlabel="step", xlim=(0, None))
    axes.grid(visible=True, linewidth=0.4)


def _draw(arguments: argparse.Namespace, _argv: list[str]) -> None:
    names = _names(arguments.folders)
    curves = {
        name: read_curves(folder) for name, folder in zip(names, arguments.folders, strict=True)
    }
    made = figure(curves)
    with atomic_path(arguments.out) as temporary:
        made.savefig(temporary, format="png", dpi=_DPI)
    _LOG.info("Curves: %s", arguments.out)


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' own names, or whole paths where these are not distinct."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


if __name__ == "__main__":
    sys.exit(main())
