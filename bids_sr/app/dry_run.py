"""``--dry-run``: what a call would do, write and need, without doing or writing anything."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bids_sr.app.devices import choose_places
from bids_sr.app.participant import find_runs, make_run_options
from bids_sr.app.settings import Settings
from bids_sr.errors import UsageError
from bids_sr.workflow.completeness import DONE
from bids_sr.workflow.estimate import KINDS, PAGE, VIEWER
from bids_sr.workflow.forecast import UNUSABLE, Forecast, forecast
from bids_sr.workflow.plan import RunOptions, make_plan

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_COLUMNS = ("run", "matrix", "state", *KINDS, "memory")


def run_dry(settings: Settings) -> int:
    """List what a call without ``--dry-run`` would do.

    Parameters
    ----------
    settings : Settings
        What was requested.

    Returns
    -------
    int
        Exit status: 0; 1 if there are runs that cannot be used, like that of the call itself.

    Raises
    ------
    BidsSrError
        If the dataset, the network or the device cannot be used at all, or the call would not
        process runs.
    """
    if settings.level != "participant" or settings.reports_only:
        raise UsageError(
            "--dry-run is only for processing runs.",
            remedy="Leave it out, or use the participant level without --reports-only.",
        )
    options = make_run_options(settings, choose_places(settings))
    plans = [make_plan(files, settings.output_dir, options) for files in find_runs(settings)]
    runs = [forecast(plan) for plan in plans]
    sys.stdout.write("\n".join(_lines(runs, settings, options)) + "\n")
    return 1 if any(run.state == UNUSABLE for run in runs) else 0


def _lines(runs: Sequence[Forecast], settings: Settings, options: RunOptions) -> list[str]:
    rows = [_COLUMNS, *(_row(run) for run in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        f"Network {options.card.name}, factor {options.card.factor}, self-ensemble of"
        f" {options.ensemble}, on {options.device}; {settings.threads} of {settings.nprocs} cores"
        " per step.",
        "",
    ]
    for run, row in zip([None, *runs], rows, strict=True):
        lines.append("  ".join(_cell(text, width) for text, width in zip(row, widths, strict=True)))
        if run is not None and run.problem:
            lines.append(f"    {run.problem}")
        if run is not None and settings.verbosity:
            lines += [_file_line(path, size, run.state) for path, size in run.files.items()]
    return [line.rstrip() for line in [*lines, "", *_totals(runs, settings)]]


def _file_line(path: Path, size: int | None, state: str) -> str:
    """Say how large a file is, or an image before compression; of others nobody knows yet."""
    if state == DONE and path.is_file():
        told, what = _size(path.stat().st_size), "on disk"
    else:
        told, what = ("", "size unknown") if size is None else (_size(size), "uncompressed")
    return f"    {told:>9} {what:<14}  {path}"


def _row(run: Forecast) -> tuple[str, ...]:
    if run.task is None:
        return (run.plan.label, "", run.state, *[""] * (len(_COLUMNS) - 3))
    return (
        run.plan.label,
        "x".join(map(str, run.task.shape)),
        run.state,
        *(_size(run.output[kind]) if run.output[kind] else "-" for kind in KINDS),
        f"{run.memory_gb:.1f} GB",
    )


def _totals(runs: Sequence[Forecast], settings: Settings) -> list[str]:
    states = [run.state for run in runs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    lines = [f"{_runs(len(runs))}: {counts}."]
    todo = [run for run in runs if run.pending]
    if not todo:
        return lines
    at_once = min(len(todo), max(1, settings.nprocs // settings.threads))
    disk = sum(sum(run.output.values()) for run in todo)
    disk += VIEWER + PAGE * len({run.plan.files.subject for run in todo})
    passing = sorted((run.work[1] for run in todo), reverse=True)[:at_once]
    work = sum(run.work[0] for run in todo) + sum(passing)
    largest = max(todo, key=lambda run: run.memory_gb)
    lines += [
        f"Memory: {largest.memory_gb:.1f} GB for the largest run, {largest.plan.label};"
        f" {_runs(at_once)} at a time.",
        *_disk_lines(
            ("Output", settings.output_dir, disk), ("Work folder", _work_place(settings), work)
        ),
        "Memory and disk space are estimated (see docs/hpc.md); nothing was done or written.",
    ]
    return lines


def _disk_lines(*needs: tuple[str, Path, int]) -> list[str]:
    """Describe the disk space needed and free; two folders may share a disk."""
    lines: list[str] = []
    wanted: dict[int, int] = {}
    free: dict[int, int] = {}
    for what, folder, size in needs:
        there = _nearest(folder)
        disk = there.stat().st_dev
        free[disk] = shutil.disk_usage(there).free
        wanted[disk] = wanted.get(disk, 0) + size
        lines.append(f"{what}: {_size(size)} in {folder}; {_size(free[disk])} are free there.")
    short = [disk for disk, size in wanted.items() if size > free[disk]]
    return lines + [
        f"Warning: {_size(wanted[disk])} are needed, but only {_size(free[disk])} are free."
        for disk in short
    ]


def _work_place(settings: Settings) -> Path:
    return settings.work_dir or Path(tempfile.gettempdir())


def _nearest(folder: Path) -> Path:
    """Return the folder, or its nearest existing parent."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _cell(text: str, width: int) -> str:
    return text.ljust(width) if not text[:1].isdigit() else text.rjust(width)


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
