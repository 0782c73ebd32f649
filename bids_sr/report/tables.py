"""Rows of the participant page's tables, made of a run's record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from bids_sr.quality.metric_spec import Pair
from bids_sr.report.glossary import (
    GROUPS,
    PAIRS,
    PER_SHELL,
    PROCESSING,
    SCAN,
    SINGLE,
    UNKNOWN,
    MetricSpec,
    is_known,
    leftovers,
    shell_of,
    versioned_package,
)

BY = " \N{MULTIPLICATION SIGN} "
"""Between the sides of a voxel."""


@frozen
class Cell:
    """A printed value."""

    text: str
    """As printed, with its unit if it stands alone."""
    known: bool = True
    """False for "not known"."""


@frozen
class Row:
    """A line of a table."""

    label: str
    """What it is."""
    cells: tuple[Cell, ...]
    """One for each column."""
    meaning: str = ""
    """Plain words."""


def scan_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return what was acquired; optional keys only if they are there."""
    return [_fact(entry, record) for entry in SCAN if _wanted(entry, record)]


def processing_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return what was done, with what; optional keys only if they are there."""
    return [_fact(entry, record) for entry in PROCESSING if _wanted(entry, record)]


def shell_entries(record: Mapping[str, Any]) -> list[MetricSpec]:
    """Return the measures of a shell; optional ones only if they are there."""
    there = {split[0] for key in record if (split := shell_of(key)) and is_known(record[key])}
    return [entry for entry in PER_SHELL if not entry.optional or entry.key in there]


def shell_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return the measures of each b-value, ascending, those of `shell_entries`."""
    entries = shell_entries(record)
    bvals = sorted({split[1] for key in record if (split := shell_of(key))})
    return [
        Row(
            f"b = {bval}",
            tuple(_cell(entry, record.get(f"{entry.key}_b{bval}")) for entry in entries),
        )
        for bval in bvals
    ]


def pair_rows(record: Mapping[str, Any], pairs: Iterable[Pair] = PAIRS) -> list[Row]:
    """Return measures of the input, of the output, and their difference."""
    rows = []
    for entry, keys in pairs:
        if entry.optional and not any(is_known(record.get(key)) for key in keys):
            continue
        before, after = (record.get(key) for key in keys)
        change = entry.change(before, after)
        cells = (_cell(entry, before), _cell(entry, after), Cell(change, change != UNKNOWN))
        rows.append(Row(_with_unit(entry), cells, entry.meaning))
    return rows


def single_rows(record: Mapping[str, Any], entries: Iterable[MetricSpec] = SINGLE) -> list[Row]:
    """Return measures of the difference, or of one of the two images."""
    return [
        Row(_with_unit(entry), (_cell(entry, record.get(entry.key)),), entry.meaning)
        for entry in entries
        if _wanted(entry, record)
    ]


@frozen
class GroupRows:
    """The tables of measures that stand together."""

    title: str
    pairs: tuple[Row, ...]
    """Input, output, change."""
    single: tuple[Row, ...]


def group_rows(record: Mapping[str, Any]) -> list[GroupRows]:
    """Return all measures but those of the shells, by group; empty groups are left out."""
    groups = [
        GroupRows(
            group.title,
            tuple(pair_rows(record, group.pairs)),
            tuple(single_rows(record, group.single)),
        )
        for group in GROUPS
    ]
    return [group for group in groups if group.pairs or group.single]


def other_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return what the glossary does not know, as it is."""
    rows = []
    for key in leftovers(record):
        value = record[key]
        text = (
            json.dumps(value)
            if isinstance(value, dict | list)
            else MetricSpec(key, key).text(value)
        )
        rows.append(Row(key, (Cell(text, is_known(value)),)))
    return rows


def version_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return the software and its versions."""
    rows = [Row("bids_sr", (_cell(MetricSpec("version", "version"), record.get("version")),))]
    for key, value in record.items():
        package = versioned_package(key)
        if package:
            rows.append(Row(package, (_cell(MetricSpec(key, key), value),)))
    return rows


_UNSAID = ("channels", "limitations")
"""Entries of a model card that are left out where it has none."""


def model_rows(model: Mapping[str, Any]) -> list[Row]:
    """Return the model card, line by line; empty if it is not known."""
    labels = {
        "name": "Name",
        "factor": "In-plane factor",
        "degradation": "How training slices were coarsened",
        "channels": "What it reads",
        "loss": "Loss",
        "voxel_sizes_mm": "Trained voxel sizes (mm)",
        "b_values": "Trained b-values (s/mm²)",
        "snr_b0": "Trained signal-to-noise ratio of the b0s, least and largest",
        "input_rule": "How intensities are scaled",
        "data": "Training data",
        "limitations": "Known limitations",
        "licence": "Licence of the weights",
        "seed": "Seed",
        "command": "Training command",
        "commit": "Trained at commit",
        "sha256": "Weights, sha256",
        "architecture": "Architecture",
        "figures": "Measured on held-out scans",
    }
    if not model:
        return []
    told = [key for key in labels if key in model or key not in _UNSAID]
    keys = [*told, *(key for key in model if key not in labels)]
    return [Row(labels.get(key, key), (_card_cell(key, model.get(key)),)) for key in keys]


@frozen
class Grid:
    """A table of a model card's own figures."""

    title: str
    """What they are called there."""
    heads: tuple[str, ...]
    """Column names."""
    rows: tuple[Row, ...]
    """Label and the other cells of each line."""


def model_grids(model: Mapping[str, Any]) -> list[Grid]:
    """Return those figures of a model card that are lists of equal things, as tables."""
    figures = model.get("figures")
    grids = []
    for title, lines in figures.items() if isinstance(figures, dict) else ():
        if _is_grid(lines):
            heads = tuple(dict.fromkeys(key for line in lines for key in line))
            entries = [MetricSpec(head, head) for head in heads]
            cells = [[_cell(entry, line.get(entry.key)) for entry in entries] for line in lines]
            rows = tuple(Row(first.text, tuple(rest)) for first, *rest in cells)
            grids.append(Grid(str(title), heads, rows))
    return grids


def _is_grid(lines: Any) -> bool:
    return (
        isinstance(lines, list)
        and bool(lines)
        and all(line and isinstance(line, dict) for line in lines)
    )


def _card_cell(key: str, value: Any) -> Cell:
    if not is_known(value):
        return Cell("the card does not say", False)
    if key == "voxel_sizes_mm" and isinstance(value, list | tuple):
        return Cell("; ".join(_times(size) for size in value))
    if isinstance(value, list | tuple):
        return Cell("; ".join(str(item) for item in value))
    if isinstance(value, dict):
        flat = {name: item for name, item in value.items() if not _is_grid(item)}
        told = "; ".join(f"{name}: {_plain(item)}" for name, item in flat.items())
        return Cell(told or "see the table below")
    return Cell(str(value))


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _times(size: Any) -> str:
    return BY.join(str(mm) for mm in size) if isinstance(size, list | tuple) else str(size)


def _wanted(entry: MetricSpec, record: Mapping[str, Any]) -> bool:
    return not entry.optional or is_known(record.get(entry.key))


def _fact(entry: MetricSpec, record: Mapping[str, Any]) -> Row:
    value = record.get(entry.key)
    if not is_known(value):
        return Row(entry.label, (Cell(entry.text(None), False),), entry.meaning)
    if entry.key == "slice_axis" and value in (0, 1, 2):
        text = "ijk"[value]
    elif entry.unit == "s" and isinstance(value, int | float):
        text = duration(value)
    elif entry.key == "model_sha256":
        text = f"{str(value)[:12]}\N{HORIZONTAL ELLIPSIS}"  # the whole is on the model card
    else:
        text = f"{tidy(entry.text(value))} {entry.unit}".strip()
    return Row(entry.label, (Cell(text),), entry.meaning)


def tidy(text: str) -> str:
    """Return ``2.00x2.00`` with signs of multiplication, ``1000;2000`` with commas.

    Examples
    --------
    >>> tidy("1000;2000"), tidy("shallow-x2")
    ('1000, 2000', 'shallow-x2')
    """
    if text.replace("x", "").replace(".", "").isdigit():
        return text.replace("x", BY)
    if text.replace(";", "").isdigit():
        return text.replace(";", ", ")
    return text


def duration(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> duration(8.25), duration(84), duration(7325)
    ('8.2 s', '1 min 24 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _cell(entry: MetricSpec, value: Any) -> Cell:
    return Cell(entry.text(value), is_known(value))


def _with_unit(entry: MetricSpec) -> str:
    return f"{entry.label} ({entry.unit})" if entry.unit else entry.label
