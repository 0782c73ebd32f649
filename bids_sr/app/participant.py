"""The participant level: find the runs, process those that are not complete, log the result."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from attrs import evolve

from bids_sr.app.config import to_toml
from bids_sr.app.devices import choose_places, cores_in_all
from bids_sr.app.environment import container
from bids_sr.app.final_check import check_end
from bids_sr.app.memory_limits import refuse_too_small
from bids_sr.app.reports_only import tell_quality
from bids_sr.app.run_log import tell_end, tell_resources, tell_start
from bids_sr.app.settings import Settings
from bids_sr.app.validation import validate_input
from bids_sr.app.work_folder import work_folder
from bids_sr.bids.atomic import remove_orphans, write_text
from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.finding import find_dwi
from bids_sr.bids.locking import PATTERN
from bids_sr.bids.output_dataset import write_dataset_files
from bids_sr.errors import OutputError
from bids_sr.networks.registry import load_card
from bids_sr.workflow.completeness import is_complete, page_faults
from bids_sr.workflow.coordination import process
from bids_sr.workflow.execute import Execution
from bids_sr.workflow.failures import forget_gone
from bids_sr.workflow.memory import PARENT_GB, fits
from bids_sr.workflow.messages import Messages, configure_messages
from bids_sr.workflow.participant_pages import PageWriter
from bids_sr.workflow.plan import RunOptions, RunPlan, make_plan

RAW = "raw"
"""Name that `bids_sr.bids` gives to a dataset that is not a derivative."""

_log = logging.getLogger("bids_sr")


def run_participants(settings: Settings) -> int:
    """Process all requested runs that are not finished yet.

    Parameters
    ----------
    settings : Settings
        What was requested.

    Returns
    -------
    int
        Exit status: 0 if everything is complete; 1 if a run or page failed or, with
        ``--fail-on-qc``, if the quality of a run is ``fail``.

    Raises
    ------
    BidsSrError
        If the dataset, the network, the device or the output folder cannot be used at all; nothing
        has been processed then.
    """
    refuse_too_small()
    places = choose_places(settings)
    options = make_run_options(settings, places)
    found = find_runs(settings)
    log_dir = _open_log(settings)
    tell_start(settings, options, places, found)
    _validate(settings, found, log_dir)
    for folder in (settings.output_dir, log_dir.parent):
        remove_orphans(folder)
        remove_orphans(folder, PATTERN)
    write_dataset_files(settings.output_dir, sources=_sources(found), container=container())
    forget_gone(settings.output_dir, found)
    plans = [make_plan(files, settings.output_dir, options) for files in found]
    pages = PageWriter(settings.output_dir, plans)
    todo, nprocs = _share_memory(settings, _not_done(plans))
    pages.expect([*todo, *_without_page(plans)])
    with work_folder(settings.work_dir, clean=settings.clean_work_dir) as work_dir:
        tell_resources(settings, nprocs, len(todo), work_dir)
        failures = process(todo, _execution(settings, nprocs, places, work_dir, log_dir), pages)
    pages.write_rest()
    failures, shared_good = check_end(settings.output_dir, plans, todo, failures, pages)
    tell_end(plans, todo, failures)
    if settings.fail_on_qc and tell_quality(plan.names.quality for plan in plans):
        return 1
    return 1 if failures or pages.failed or not shared_good else 0


def make_run_options(settings: Settings, places: Sequence[str]) -> RunOptions:
    """Find the network, or raise, and collect the options of all runs.

    Parameters
    ----------
    settings : Settings
        What was requested.
    places : sequence of str
        From `bids_sr.app.devices.choose_places`.

    Returns
    -------
    RunOptions

    Raises
    ------
    ModelError
        If the network cannot be used.
    """
    return RunOptions(
        card=load_card(settings.model, settings.factor),
        **settings.method(),
        device=places[0],
        batch_size=settings.batch_size,
        threads=settings.threads,
        network_threads=max(1, min(settings.threads, cores_in_all(settings) // len(places))),
        low_mem=settings.low_mem,
        memory_gb=settings.memory_gb,
    )


def _share_memory(settings: Settings, plans: list[RunPlan]) -> tuple[list[RunPlan], int]:
    """Return the plans with the memory of their steps, and the number of processes.

    Worker processes leave less memory for a step. If that is too little for a run, everything runs
    in this process, step by step. So does a single run on the CPU whose steps may each use all
    cores: workers would take seconds to start, and memory, without benefit.
    """
    memory = settings.memory_gb
    single = len(plans) == 1 and settings.threads >= settings.nprocs
    # on a GPU a process of its own can fail, and the run be repeated elsewhere
    single = single and plans[0].options.device == "cpu"
    if not plans or settings.plugin is not None:
        return plans, settings.nprocs
    if memory is None:
        return plans, 1 if single else settings.nprocs
    beside = memory - PARENT_GB
    alone = single or settings.nprocs == 1
    if not alone and any(not fits(plan, beside) and fits(plan, memory) for plan in plans):
        alone = True
        _log.warning(
            "%.1f GB of memory are too little for parallel steps: running one at a time", memory
        )
    options = evolve(plans[0].options, memory_gb=memory if alone else beside)
    return [evolve(plan, options=options) for plan in plans], 1 if alone else settings.nprocs


def find_runs(settings: Settings) -> list[DwiFiles]:
    """Find the requested runs with `bids_sr.bids.finding.find_dwi`."""
    return find_dwi(
        settings.bids_dir,
        participants=settings.participants,
        sessions=settings.sessions,
        filters=settings.filters,
        database_dir=settings.database_dir,
        derivatives=dict(settings.derivatives),
    )


def _sources(found: Sequence[DwiFiles]) -> dict[str, Path]:
    return {files.dataset_name: files.dataset_root for files in found}


def _validate(settings: Settings, found: Sequence[DwiFiles], log_dir: Path) -> None:
    raw = [files.dataset_root for files in found if files.dataset_name == RAW]
    if raw and not settings.skip_bids_validation:
        validate_input(raw[0], settings.participants, log_dir)


def _open_log(settings: Settings) -> Path:
    # a separate folder for each call: several may write here at the same time
    name = f"{datetime.now():%Y%m%d-%H%M%S}_{uuid.uuid4().hex[:8]}"
    folder = settings.output_dir / "logs" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror}).",
            file=settings.output_dir,
            remedy="Give a writable output folder.",
        ) from error
    configure_messages(_messages(settings, folder))
    _log.debug("log folder: %s", folder)
    write_text(folder / "config.toml", to_toml(settings.options))
    return folder


def _messages(settings: Settings, log_dir: Path) -> Messages:
    return Messages(settings.verbosity, log_dir / "log.txt")


def _not_done(plans: Sequence[RunPlan]) -> list[RunPlan]:
    todo = []
    for plan in plans:
        if is_complete(plan):
            with suppress(OSError):  # such as a read-only disk
                plan.names.error.unlink(missing_ok=True)
            _log.info("%s: complete already, with the same network and settings", plan.label)
        else:
            todo.append(plan)
    return todo


def _without_page(plans: Sequence[RunPlan]) -> list[RunPlan]:
    return [plan for plan in plans if page_faults(plan.names.out_dir, plan.files.subject)]


def _execution(
    settings: Settings, nprocs: int, places: Sequence[str], work_dir: Path, log_dir: Path
) -> Execution:
    return Execution(
        work_dir=work_dir,
        log_dir=log_dir,
        nprocs=nprocs,
        gpus=tuple(place for place in places if place.startswith("cuda:")),
        cpu_instead=settings.device == "auto",
        memory_gb=settings.memory_gb,
        resource_monitor=settings.resource_monitor,
        stop_on_first_crash=settings.stop_on_first_crash,
        plugin=settings.plugin,
        write_graph=settings.write_graph,
        messages=_messages(settings, log_dir),
    )
