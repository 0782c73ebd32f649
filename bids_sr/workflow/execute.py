"""Executing the plans: plugin, folders, and failures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from attrs import field, frozen

from bids_sr.errors import UsageError
from bids_sr.superres.gpu_faults import lost_gpu
from bids_sr.workflow.completeness import has_ended
from bids_sr.workflow.failures import Failure, cause_of, read_failure, record_failure
from bids_sr.workflow.graph import build_workflow
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.participant_pages import PageWriter
from bids_sr.workflow.plan import RunPlan
from bids_sr.workflow.pool import Pool
from bids_sr.workflow.run_checks import can_start, end_failure, not_processed
from bids_sr.workflow.schedule import executable_graph

OWN_PLUGIN = "MultiProc"
"""The plugin that `Pool` replaces: forked workers cannot use CUDA."""

_GROUP = 200
"""Runs per call of a nipype plugin, whose bookkeeping grows with their square."""
_DEFAULT_MEMORY = 0.9
"""Fraction of the machine's memory that is used by default."""

_log = logging.getLogger("bids_sr")


@frozen
class Execution:
    """Where and how steps run."""

    work_dir: Path
    """Work folder."""
    log_dir: Path
    """Log folder of this call."""
    nprocs: int = 1
    """CPU cores in all; 1: everything in this process."""
    gpus: tuple[str, ...] = ()
    """GPUs over which runs are distributed, such as ``cuda:0``; none or one: as planned."""
    cpu_instead: bool = False
    """Whether runs are processed on the CPU if all GPUs fail."""
    memory_gb: float | None = None
    """Memory of all processes together; None: 90 % of the machine's."""
    resource_monitor: bool = False
    """Whether memory and CPU use of each step are recorded in the log folder."""
    stop_on_first_crash: bool = False
    """Whether to stop at the first failure."""
    plugin: Mapping[str, Any] | None = None
    """Another nipype plugin: ``plugin`` and ``plugin_args``."""
    write_graph: bool = False
    """Whether the graph is drawn into the log folder."""
    messages: Messages = field(factory=Messages)
    """Log settings of worker processes."""

    @property
    def resources(self) -> Path:
        """Table of the resource monitor."""
        return self.log_dir / "resources.tsv"


def runs_here(plugin: Mapping[str, Any] | None) -> bool:
    """Return whether steps run on this machine, with or without a plugin."""
    return plugin is None or plugin["plugin"] in (OWN_PLUGIN, "Linear")


def execute(plans: Sequence[RunPlan], how: Execution, pages: PageWriter) -> list[Failure]:
    """Process runs; those that fail do not stop the others.

    Parameters
    ----------
    plans : sequence of RunPlan
        What is to be done.
    how : Execution
        Where and how.
    pages : PageWriter
        Notified of every step that ends; writes the pages of participants.

    Returns
    -------
    list of Failure
        One for each run that failed, in the order of `plans`.

    Raises
    ------
    UsageError
        If nipype has no such plugin; nothing has been done then.
    """
    _check_plugin(how.plugin)
    if not plans:
        return []
    ready = [plan for plan in plans if can_start(plan)]
    if len(ready) < len(plans) and how.stop_on_first_crash:
        pass
    elif _has_pool(how):
        _run_pool(ready, how, pages)
    else:
        _run_nipype(ready, how, pages)
    found = [_failure(plan, how, pages) for plan in plans]
    return [failure for failure in found if failure is not None]


def _has_pool(how: Execution) -> bool:
    """Return whether steps run in processes of our own."""
    return how.nprocs > 1 if how.plugin is None else how.plugin["plugin"] == OWN_PLUGIN


def _run_pool(plans: Sequence[RunPlan], how: Execution, pages: PageWriter) -> None:
    """Run steps in processes of our own."""
    pool = _pool(how, pages)
    if how.write_graph and plans:
        _draw(_workflow(plans[:1], how), how.log_dir)
    try:
        pool.process(_graphs(plans, how))
    except Exception as error:
        _note(error, plans, pages)


def _graphs(plans: Sequence[RunPlan], how: Execution) -> Iterator[Any]:
    """Yield the graph of each run on demand."""
    for plan in plans:
        try:
            graph = executable_graph(_workflow([plan], how))
        except Exception as error:
            record_failure(plan, "workflow", cause_of(error))
        else:
            yield graph


def _run_nipype(plans: Sequence[RunPlan], how: Execution, pages: PageWriter) -> None:
    """Run steps in this process, run after run, or by a nipype plugin."""
    plugin = how.plugin or {"plugin": "Linear"}
    here = plugin["plugin"] == "Linear"
    arguments = {
        **(plugin.get("plugin_args") or {}),
        "status_callback": pages.on_step_here if here else pages.on_step,
    }
    size = 1 if here else _GROUP
    for group in [plans[first : first + size] for first in range(0, len(plans), size)]:
        try:
            workflow = _workflow(group, how)
            if how.write_graph and group[0] is plans[0]:
                _draw(workflow, how.log_dir)
            with chdir(
                Path.cwd()
            ):  # nipype does not leave a node's folder if it cannot write there
                workflow.run(plugin=plugin["plugin"], plugin_args=arguments)
        except Exception as error:
            _note(error, group, pages)
        if how.stop_on_first_crash and any(plan.names.error.exists() for plan in group):
            return
        if how.plugin is None and any(_lost_gpu(plan) for plan in group):
            # this process cannot compute on the GPU any more: a new one can
            _run_pool(plans[plans.index(group[-1]) + 1 :], how, pages)
            return


def _lost_gpu(plan: RunPlan) -> bool:
    failure = read_failure(plan)
    return failure is not None and lost_gpu(failure.message) is not None


def _workflow(plans: Sequence[RunPlan], how: Execution) -> Any:
    workflow = build_workflow(plans, how.work_dir, how.resources if how.resource_monitor else None)
    workflow.config["execution"]["stop_on_first_crash"] = str(how.stop_on_first_crash).lower()
    return workflow


def _note(error: Exception, plans: Sequence[RunPlan], pages: PageWriter) -> None:
    """Record what nipype raised; errors of steps are already recorded."""
    _log.debug("nipype: %s", error, exc_info=True)
    if not any(plan.names.error.exists() or plan.label in pages.failures for plan in plans):
        for plan in plans:
            if not has_ended(plan):
                record_failure(plan, "workflow", cause_of(error))


def _failure(plan: RunPlan, how: Execution, pages: PageWriter) -> Failure | None:
    failure = read_failure(plan) or pages.failures.get(plan.label)
    if failure is None and how.stop_on_first_crash and not has_ended(plan):
        return not_processed(plan)
    return failure or end_failure(plan)


def _check_plugin(plugin: Mapping[str, Any] | None) -> None:
    from bids_sr.workflow.engine import plugins

    if plugin is None:
        return
    if plugin["plugin"].endswith("Graph"):
        raise UsageError(
            f"nipype's plugin '{plugin['plugin']}' submits jobs and does not wait for them.",
            remedy=f"Name '{plugin['plugin'].removesuffix('Graph')}' in the file of --use-plugin.",
        )
    if hasattr(plugins, f"{plugin['plugin']}Plugin"):
        return
    known = sorted(name.removesuffix("Plugin") for name in dir(plugins) if name.endswith("Plugin"))
    raise UsageError(
        f"nipype has no plugin '{plugin['plugin']}'.",
        remedy=f"Name one of these in the file of --use-plugin: {', '.join(known)}.",
    )


def _pool(how: Execution, pages: PageWriter) -> Pool:
    import psutil

    given = (how.plugin or {}).get("plugin_args") or {}
    memory_gb = given.get("memory_gb", how.memory_gb)
    if memory_gb is None:
        memory_gb = _DEFAULT_MEMORY * psutil.virtual_memory().total / 1e9
    return Pool(
        given.get("n_procs", how.nprocs),
        memory_gb,
        how.messages,
        pages.on_step,
        how.gpus,
        cpu_instead=how.cpu_instead,
        stop_on_first_crash=how.stop_on_first_crash,
    )


def _draw(workflow: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        workflow.write_graph(str(folder / "graph.dot"), graph2use="colored", format="svg")
    except OSError as error:
        _log.warning("The graph is not drawn (%s); see graph.dot in %s.", error, folder)
