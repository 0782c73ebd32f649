"""Log messages at the start and at the end of a call that processes runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_sr import __version__
from bids_sr.app.settings import Settings
from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.quality.one_line import one_line
from bids_sr.quality.verdict import FAIL
from bids_sr.workflow.failures import Failure
from bids_sr.workflow.plan import RunOptions, RunPlan

_log = logging.getLogger("bids_sr")


def tell_start(
    settings: Settings, options: RunOptions, places: Sequence[str], found: Sequence[DwiFiles]
) -> None:
    """Log the runs found, the network and its device.

    Parameters
    ----------
    settings : Settings
        What was requested.
    options : RunOptions
        Options of all runs.
    places : sequence of str
        Devices of the network.
    found : sequence of DwiFiles
        All runs of the call.
    """
    _log.info(
        "bids_sr %s: %s of %s in %s",
        __version__,
        _count(len(found), "run"),
        _count(len({files.subject for files in found}), "participant"),
        settings.bids_dir,
    )
    card = options.card
    _log.info("Network %s (factor %d) on %s", card.name, card.factor, ", ".join(places))
    if settings.sloppy:
        _log.warning("--sloppy: poor quality, for trying things out only")
    _log.debug("%s", settings)


def tell_resources(settings: Settings, nprocs: int, todo: int, work_dir: Path) -> None:
    """Log the number of runs to process, and their resources.

    Parameters
    ----------
    settings : Settings
        What was requested.
    nprocs : int
        CPU cores in all.
    todo : int
        Runs that are not complete yet.
    work_dir : pathlib.Path
        Work folder.
    """
    if not todo:
        return
    _log.info("%s to process on %s", _count(todo, "run"), _resources(settings, nprocs))
    kept = "kept" if settings.work_dir else "removed at the end; -w DIR keeps one"
    _log.info("Work folder: %s (%s)", work_dir, kept)


def _resources(settings: Settings, nprocs: int) -> str:
    cores = f"{_count(nprocs, 'core')}, {min(settings.threads, nprocs)} for each step"
    memory = "" if settings.memory_gb is None else f"{settings.memory_gb:.1f} GB of memory"
    if settings.plugin is not None:
        steps = f"nipype's {settings.plugin['plugin']}, {_count(settings.threads, 'core')} a step"
        return f"{steps}, at most {memory} each" if memory else steps
    return f"{cores}, at most {memory}" if memory else cores


def tell_end(
    plans: Sequence[RunPlan], todo: Sequence[RunPlan], failures: Sequence[Failure]
) -> None:
    """Log how many runs are done, and a line for each: a summary, or why it failed.

    Parameters
    ----------
    plans : sequence of RunPlan
        All runs of the call.
    todo : sequence of RunPlan
        Those that were processed.
    failures : sequence of Failure
        Those that failed.
    """
    done = len(plans) - len(failures)
    before = len(plans) - len(todo)
    _log.info(
        "%d of %d runs done (%d now, %d before) in %s",
        done, len(plans), done - before, before, plans[0].names.out_dir,
    )  # fmt: skip
    failed = {failure.run: failure for failure in failures}
    for plan in plans:
        failure = failed.pop(plan.label, None)
        if failure is None:
            _tell_verdict(plan)
        else:
            _tell_failure(failure)
    for failure in failed.values():
        _tell_failure(failure)


def _tell_failure(failure: Failure) -> None:
    _log.info("%s: failed (%s)", failure.run, failure.crash_file or failure.message)


def _tell_verdict(plan: RunPlan) -> None:
    if not (record := _record(plan)):
        _log.warning("%s: its record cannot be read", plan.label)
        return
    status, text = one_line(record, plan.options.card.to_dict())
    _log.log(logging.WARNING if status == FAIL else logging.INFO, "%s: %s", plan.label, text)


def _record(plan: RunPlan) -> dict[str, Any]:
    try:
        record = json.loads(plan.names.quality.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
