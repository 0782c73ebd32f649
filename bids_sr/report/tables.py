"""Rows of the participant page's tables, from a run's record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from bids_sr.quality import registry
from bids_sr.quality.metric_spec import (
    AGREEMENT,
    IDENTITY,
    PROCESSING,
    SCAN,
    SELF_CHECK,
    TIME,
    UNKNOWN,
    VERDICT,
    MetricSpec,
    Per,
    is_known,
    is_number,
)
from bids_sr.quality.registry import (
    families,
    family,
    is_described,
    lookup,
    shell_of,
    versioned_package,
)
from bids_sr.superres.durations import duration

_ELSEWHERE = (IDENTITY, VERDICT, SCAN, PROCESSING, TIME, AGREEMENT, SELF_CHECK)
"""Families shown in their own section of the page."""

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
    """Its label."""
    cells: tuple[Cell, ...]
    """One for each column."""
    meaning: str = ""
    """Explanation."""


def table_metrics(*names: str) -> list[MetricSpec]:
    """Return the metrics of the page's tables, of these families or of all.

    Those of shells have a table of their own; derived ones are in the summary.
    """
    chosen = names or tuple(name for name in families() if name not in _ELSEWHERE)
    return [s for s in family(*chosen) if s.per in (Per.RUN, Per.SIDE) and s.of_record is None]


def scan_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return the facts of the scan; optional keys only if present."""
    return [_fact(spec, record) for spec in family(SCAN) if _wanted(spec, record)]


def processing_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return the facts of the processing; optional keys only if present."""
    return [_fact(spec, record) for spec in family(PROCESSING, TIME) if _wanted(spec, record)]


def facts_line(record: Mapping[str, Any]) -> str:
    """Describe the run in a line: voxels, volumes, network; unknown parts are left out."""
    acquired, output = (record.get(f"{side}_zooms_mm") for side in ("input", "output"))
    told = []
    if is_known(acquired) and is_known(output):
        told.append(f"{tidy(str(acquired))} mm to {tidy(str(output))} mm")
    if is_known(record.get("n_volumes")):
        zero = "0, " if record.get("n_b0") else ""
        shells = (
            f" at b = {zero}{tidy(str(record['shells']))} s/mm²" if record.get("shells") else ""
        )
        told.append(f"{record['n_volumes']} volumes{shells}")
    if is_known(record.get("model")):
        told.append(f"network {record['model']}")
    return " \N{MIDDLE DOT} ".join(told)


def shell_metrics(record: Mapping[str, Any]) -> list[MetricSpec]:
    """Return the metrics of a shell; optional ones only if present."""
    there = {split[0] for key in record if (split := shell_of(key)) and is_known(record[key])}
    found = [spec for spec in registry.METRICS if spec.per == Per.SHELL]
    return [spec for spec in found if not spec.optional or spec.key in there]


def shell_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return the metrics of each b-value, ascending, those of `shell_metrics`."""
    specs = shell_metrics(record)
    bvals = sorted({split[1] for key in record if (split := shell_of(key))})
    return [
        Row(
            f"b = {bval}",
            tuple(_cell(spec, record.get(f"{spec.key}_b{bval}")) for spec in specs),
        )
        for bval in bvals
    ]


def pair_rows(record: Mapping[str, Any], specs: Iterable[MetricSpec]) -> list[Row]:
    """Return metrics of the input, of the output, and their difference."""
    rows = []
    for spec in specs:
        before, after = (record.get(f"{spec.key}_{side}") for side in ("input", "sr"))
        if spec.per != Per.SIDE or (spec.optional and not (is_known(before) or is_known(after))):
            continue
        change = spec.change(before, after)
        cells = (_cell(spec, before), _cell(spec, after), Cell(change, change != UNKNOWN))
        rows.append(Row(_with_unit(spec), cells, spec.meaning))
    return rows


def single_rows(record: Mapping[str, Any], specs: Iterable[MetricSpec]) -> list[Row]:
    """Return metrics of the difference, or of one of the two images."""
    return [
        Row(_with_unit(spec), (_cell(spec, record.get(spec.key)),), spec.meaning)
        for spec in specs
        if spec.per == Per.RUN and _wanted(spec, record)
    ]


@frozen
class GroupRows:
    """The tables of one group of metrics."""

    title: str
    pairs: tuple[Row, ...]
    """Input, output, change."""
    single: tuple[Row, ...]


def group_rows(record: Mapping[str, Any]) -> list[GroupRows]:
    """Return all metrics except those of shells, by family; empty families are left out."""
    groups = []
    for title in dict.fromkeys(spec.family for spec in table_metrics()):
        specs = table_metrics(title)
        pairs, single = pair_rows(record, specs), single_rows(record, specs)
        if pairs or single:
            groups.append(GroupRows(title, tuple(pairs), tuple(single)))
    return groups


def other_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return the values of keys that the registry does not describe, unformatted."""
    rows = []
    for key in leftovers(record):
        value = record[key]
        text = json.dumps(value) if isinstance(value, dict | list) else lookup(key).text(value)
        rows.append(Row(key, (Cell(text, is_known(value)),)))
    return rows


def leftovers(record: Mapping[str, Any]) -> list[str]:
    """Return the keys of `record` that the registry does not describe, in their order."""
    return [key for key in record if not is_described(key)]


def version_rows(record: Mapping[str, Any]) -> list[Row]:
    """Return the software and its versions."""
    keys = ("version", *(key for key in record if versioned_package(key)))
    return [Row(lookup(key).label, (_cell(lookup(key), record.get(key)),)) for key in keys]


_UNSAID = ("channels", "limitations", "extrapolation")
"""Entries of a model card that are left out if missing."""


def model_rows(model: Mapping[str, Any]) -> list[Row]:
    """Return the model card, line by line; empty if it is not known."""
    labels = {
        "name": "Name",
        "factor": "In-plane factor",
        "degradation": "How training slices were coarsened",
        "channels": "Inputs",
        "loss": "Loss",
        "voxel_sizes_mm": "Trained voxel sizes (mm)",
        "b_values": "Trained b-values (s/mm²)",
        "snr_b0": "Trained signal-to-noise ratio of the b0s, least and largest",
        "input_rule": "How intensities are scaled",
        "data": "Training data",
        "limitations": "Known limitations",
        "extrapolation": "Unexplained detail one step beyond the trained voxel sizes",
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
    """A table of the performance listed in a model card."""

    title: str
    """Its name in the card."""
    heads: tuple[str, ...]
    """Column names."""
    rows: tuple[Row, ...]
    """Label and the other cells of each line."""


def model_grids(model: Mapping[str, Any]) -> list[Grid]:
    """Return the lists of uniform entries in a model card as tables."""
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
    if key == "extrapolation" and isinstance(value, dict) and (told := _beyond(value)):
        return Cell(told)
    if isinstance(value, dict):
        flat = {name: item for name, item in value.items() if not _is_grid(item)}
        told = "; ".join(f"{name}: {_plain(item)}" for name, item in flat.items())
        return Cell(told or "see the table below")
    return Cell(str(value))


def _beyond(cost: Mapping[str, Any]) -> str:
    """Return what finer voxels than in training cost, for example ``3.5 to 2.4 mm: b0 +0.04``."""
    names = {"b0": "b0", "mean": "mean over directions", "l2": "between directions (l = 2)"}
    known = [f"{name} {cost[key]:+.3f}" for key, name in names.items() if is_number(cost.get(key))]
    ends = [cost.get(key) for key in ("from_mm", "to_mm")]
    at = f"{ends[0]:g} to {ends[1]:g} mm: " if all(is_number(end) for end in ends) else ""
    return f"{at}{', '.join(known)}" if known else ""


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _times(size: Any) -> str:
    if not isinstance(size, list | tuple):
        return str(size)
    return BY.join(f"{mm:.3g}" if is_number(mm) else str(mm) for mm in size)


def _wanted(spec: MetricSpec, record: Mapping[str, Any]) -> bool:
    return not spec.optional or is_known(record.get(spec.key))


def _fact(spec: MetricSpec, record: Mapping[str, Any]) -> Row:
    value = record.get(spec.key)
    if not is_known(value):
        return Row(spec.label, (Cell(spec.text(None), False),), spec.meaning)
    if spec.key == "slice_axis" and value in (0, 1, 2):
        text = "ijk"[value]
    elif spec.unit == "s" and isinstance(value, int | float):
        text = duration(value)
    elif spec.key == "model_sha256":
        text = f"{str(value)[:12]}\N{HORIZONTAL ELLIPSIS}"  # the model card has it in full
    else:
        text = f"{tidy(spec.text(value))} {spec.unit}".strip()
    return Row(spec.label, (Cell(text),), spec.meaning)


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


def _cell(spec: MetricSpec, value: Any) -> Cell:
    return Cell(spec.text(value), is_known(value))


def _with_unit(spec: MetricSpec) -> str:
    return f"{spec.label} ({spec.unit})" if spec.unit else spec.label
