"""The group level: one table and one page of all runs, from their records alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import frozen

from bids_sr.bids.atomic import write_text
from bids_sr.errors import UsageError
from bids_sr.report.glossary import (
    DC_BIAS,
    DC_NRMSE,
    PAIRS,
    PROCESSING,
    SCAN,
    SINGLE,
    TEXTS,
    is_known,
    lookup,
    shell_of,
)
from bids_sr.report.pages import slug, write_page
from bids_sr.report.participant import participant_page
from bids_sr.report.records import FailedRun, FinishedRun, read_failures, read_runs
from bids_sr.report.strips import HEIGHT, WIDTH, largest_residuals, plots
from bids_sr.report.tables import tidy

NAME = "bids_name"
"""First column of the table: unique, also where a run was processed twice."""

_SHOWN = {
    "input_zooms_mm": "Voxel in",
    "output_zooms_mm": "Voxel out",
    "n_volumes": "Volumes",
    "shells": "Shells",
    "model": "Network",
    "wm_fa_median_input": "FA in",
    "wm_fa_median_sr": "FA out",
    "wm_md_median_input": "MD in",
    "wm_md_median_sr": "MD out",
    "v1_angle_median_deg": "Turn of V1",
    "negative_eigenvalue_fraction": "Negative eigenv.",
    "seconds_superres": "Time",
}
"""Columns of the page's table, with short names."""


@frozen
class GroupCell:
    """A value of the page's table."""

    text: str
    sort: str
    """What it is sorted by; empty if it is not known."""


def write_group(out_dir: Path) -> tuple[Path, Path]:
    """Write ``group_dwi.tsv`` and ``group_dwi.html``.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top folder of the derivative dataset.

    Returns
    -------
    tuple of pathlib.Path
        Table and page.

    Raises
    ------
    UsageError
        If no run has been finished and none has failed.
    OutputError
        If they cannot be written.
    """
    runs, unreadable = read_runs(out_dir)
    failed = [*unreadable, *read_failures(out_dir, runs)]
    if not runs and not failed:
        raise UsageError(
            "there are no records of super-resolved runs (*_desc-sr_quality.json) in it.",
            file=out_dir,
            remedy="Run the participant level first, with the same output folder.",
        )
    table = out_dir / "group_dwi.tsv"
    write_text(table, _tsv(runs))
    return table, _page(out_dir, runs, failed)


def _tsv(runs: Sequence[FinishedRun]) -> str:
    columns = _columns([run.values for run in runs])
    lines = ["\t".join([NAME, *(_plain(column) for column in columns)])]
    for run in runs:
        cells = [_field(run.values.get(column)) for column in columns]
        lines.append("\t".join([_plain(run.key), *cells]))
    return "\n".join(lines) + "\n"


def _columns(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys of all records: those of the glossary first, in its order."""
    there = dict.fromkeys(key for record in records for key in record)
    per_shell = sorted((key for key in there if shell_of(key)), key=_shell_order)
    ordered = [
        *TEXTS[:4],
        *(entry.key for entry in (*SCAN, *PROCESSING)),
        *per_shell,
        *(key for _, pair in PAIRS for key in pair),
        *(entry.key for entry in SINGLE),
    ]
    known = [key for key in ordered if key in there]
    return [*known, *(key for key in there if key not in known)]


def _shell_order(key: str) -> tuple[bool, int]:
    figure, bval = shell_of(key) or ("", 0)
    return figure == DC_BIAS.key, bval


def _field(value: Any) -> str:
    if not is_known(value):
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return _plain(json.dumps(value))
    return _plain(str(value))


def _plain(text: str) -> str:
    """Keep a field on its line and in its column."""
    return " ".join(text.split()) or "n/a"


def _page(out_dir: Path, runs: Sequence[FinishedRun], failed: Sequence[FailedRun]) -> Path:
    subjects = {path.name.removeprefix("sub-") for path in out_dir.glob("sub-*") if path.is_dir()}
    told = {run.subject for run in runs} | {run.subject for run in failed}
    return write_page(
        out_dir / "group_dwi.html",
        "group.html",
        styles=("style.css", "group.css"),
        scripts=("group.js",),
        heads=_heads(),
        rows=[_row(run) for run in runs],
        n_subjects=len({run.subject for run in runs}),
        failed=[
            {
                "label": run.label,
                "message": run.message,
                "crash_file": run.crash_file,
                "page": _link(out_dir, run.subject),
            }
            for run in failed
        ],
        without=sorted(subjects - told),
        plots=plots({run.key: run.values for run in runs}),
        links={run.key: _link(out_dir, run.subject, slug(run.key)) for run in runs},
        size=(WIDTH, HEIGHT),
    )


def _heads() -> list[dict[str, str]]:
    heads = []
    for key, label in _SHOWN.items():
        entry = lookup(key)
        meaning = entry.meaning or entry.label
        heads.append({"label": label, "unit": entry.unit, "meaning": meaning})
    worst = {"label": "Largest residual", "unit": "", "meaning": DC_NRMSE.meaning}
    return [*heads, worst]


def _row(run: FinishedRun) -> dict[str, Any]:
    cells = [_cell(key, run.values.get(key)) for key in _SHOWN]
    worst = max(largest_residuals(run.values).values(), default=None)
    cells.append(GroupCell(DC_NRMSE.text(worst), "" if worst is None else str(worst)))
    return {
        "key": run.key,
        "link": _link(run.out_dir, run.subject, slug(run.key)),
        "cells": cells,
    }


def _cell(key: str, value: Any) -> GroupCell:
    if not is_known(value):
        return GroupCell(lookup(key).text(None), "")
    return GroupCell(tidy(lookup(key).text(value)), str(value))


def _link(out_dir: Path, subject: str, anchor: str = "") -> str:
    """Return the address of a participant's page, empty if it has not been written."""
    page = participant_page(out_dir, subject)
    if not page.is_file():
        return ""
    return quote(page.name) + (f"#{quote(anchor)}" if anchor else "")
