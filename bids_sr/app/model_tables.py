"""Networks at a glance, for the terminal: the table of all of them, and one in short."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bids_sr.networks.card import ModelCard, trained_on
from bids_sr.networks.registry import is_default

_COLUMNS = ("network", "factor", "size", "voxels trained on (mm)", "b (s/mm2)", "licence")
_WIDTH = 96
_INDENT = 20


def model_table(cards: Sequence[ModelCard]) -> list[str]:
    """Return the lines of a table, one for each network.

    Parameters
    ----------
    cards : sequence of ModelCard
        The networks.

    Returns
    -------
    list of str
        Voxel sizes are those of the low-resolution slices of the training. A star marks the
        network that is used for a factor if none is named.
    """
    rows = [_COLUMNS, *(_row(card) for card in cards)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [*lines, "", "* used if --model is not given. More of one: bids-sr-models show NETWORK"]


def model_facts(card: ModelCard) -> list[str]:
    """Return what a user has to know of a network, in lines.

    Parameters
    ----------
    card : ModelCard
        The network.

    Returns
    -------
    list of str
    """
    people, runs = trained_on(card.data)
    facts = {
        "factor": f"{card.factor} x {card.factor} in plane"
        + (", used if --model is not given" if is_default(card) else ""),
        "size": _megabytes(card),
        "reads": "a slice once per shell, for all its directions" if card.sees_series
        else f"each volume in turn, with {', '.join(card.channels)}",
        "voxels trained on": f"{_voxels(card)} (mm, low resolution)",
        "b trained on": f"{_b_values(card)} s/mm2",
        "data": f"{_count(people, 'person', 'people')}, {_count(runs, 'run', 'runs')}"
        if runs else "no runs named",
        "licence": card.licence,
        "limitations": " ".join(card.limitations) or "none stated",
        "folder": str(card.folder),
    }  # fmt: skip
    lines = [card.name]
    for name, value in facts.items():
        label = f"  {name}".ljust(_INDENT)
        lines += textwrap.wrap(
            f"{label}{value}", _WIDTH, subsequent_indent=" " * _INDENT, drop_whitespace=True,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return lines


def _row(card: ModelCard) -> tuple[str, ...]:
    return (
        f"{card.name}{' *' if is_default(card) else ''}",
        f"x{card.factor}",
        _megabytes(card),
        _voxels(card),
        _b_values(card),
        card.licence,
    )


def _megabytes(card: ModelCard) -> str:
    return f"{card.weights.stat().st_size / 1e6:.1f} MB"


def _voxels(card: ModelCard) -> str:
    """In plane and across, smallest to largest."""
    if not card.voxel_sizes_mm:
        return "not known"
    in_plane = [side for size in card.voxel_sizes_mm for side in size[:2]]
    return f"{_span(in_plane)} in plane, {_span([size[2] for size in card.voxel_sizes_mm])} across"


def _b_values(card: ModelCard) -> str:
    return _span(card.b_values) if card.b_values else "not known"


def _span(values: Sequence[float]) -> str:
    low, high = (f"{round(value, 1):g}" for value in (min(values), max(values)))
    return low if low == high else f"{low}-{high}"


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
