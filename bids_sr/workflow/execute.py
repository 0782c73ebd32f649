"""Running the plans: which plugin, which folders, what came of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from bids_sr.errors import BidsSrError, UsageError
from bids_sr.workflow.failures import Failure, read_failure, record_failure
from bids_sr.workflow.feeding import FedPoolPlugin, window
from bids_sr.workflow.graph import build_workflow
from bids_sr.workflow.memory import refuse_too_large
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.monitor import start_table, tell_table
from bids_sr.workflow.outputs import missing_outputs
from bids_sr.workflow.pages import PageWriter
from bids_sr.workflow.plan import RunPlan

TEMPORARY = ".tmp-"
"""How the names of files begin that `bids_sr.bids.atomic` has not finished."""

OWN_PLUGIN = "MultiProc"
"""The plugin that `PoolPlugin` takes the place of: workers that nipype forks cannot use CUDA."""

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
    """GPUs that runs are dealt out among: ``cuda:0`` and so on; none or one: as planned."""
    memory_gb: float | None = None
    """Memory of all processes together; None: 90 % of the machine's."""
    resource_monitor: bool = False
    """Memory and processor use of each step are recorded in the log folder."""
    stop_on_first_crash: bool = False
    """One failure ends everything."""
    plugin: Mapping[str, Any] | None = None
    """Another nipype plugin: ``plugin`` and ``plugin_args``."""
    write_graph: bool = False
    """The graph is drawn into the log folder."""
    messages: Messages = field(factory=Messages)
    """What worker processes say, and where."""

    @property
    def resources(self) -> Path:
        """Table of the resource monitor."""
        return self.log_dir / "resources.tsv"


def runs_here(plugin: Mapping[str, Any] | None) -> bool:
    """Tell whether a plugin, or none, runs steps on this machine."""
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
        Told of every step that ends, writes the pages of participants.

    Returns
    -------
    list of Failure
        One for each run that failed, in the order of `plans`.

    Raises
    ------
    UsageError
        If nipype has no such plugin; nothing was done then.
    """
    _check_plugin(how.plugin)
    if not plans:
        return []
    for plan in plans:
        _retire(plan)
    fitting = [plan for plan in plans if _fits(plan)]
    failed = len(fitting) < len(plans)
    if how.resource_monitor:
        start_table(how.resources)
    # in one process, run after run; else all at once, for the plugin to schedule
    alone = how.nprocs == 1 and how.plugin is None
    for group in [[plan] for plan in fitting] if alone else [fitting]:
        if group and not (failed and how.stop_on_first_crash):
            _run(group, how, pages)
        failed = failed or any(plan.names.error.exists() for plan in group)
    if how.resource_monitor:
        tell_table(how.resources)
    return [failure for plan in plans if (failure := _failure(plan, how)) is not None]


def _run(plans: Sequence[RunPlan], how: Execution, pages: PageWriter) -> None:
    monitor = how.resources if how.resource_monitor else None
    # our own pool takes in the other runs one by one
    own = how.plugin is None or how.plugin["plugin"] == OWN_PLUGIN
    first = plans[: window(how.nprocs)] if own else plans
    workflow = build_workflow(first, how.work_dir, monitor)
    workflow.config["execution"]["stop_on_first_crash"] = str(how.stop_on_first_crash).lower()
    if how.write_graph:
        _draw(workflow, how.log_dir)
    try:
        workflow.run(**_plugin(how, pages, plans[len(first) :]))
    except Exception as error:
        # what steps raised is on record already; what nipype makes of it is for developers
        _log.debug("nipype: %s", error, exc_info=True)
        if not any(plan.names.error.exists() for plan in plans):
            _log.error("The workflow ended early: %s: %s", type(error).__name__, error)


def _fits(plan: RunPlan) -> bool:
    """Tell whether there is memory enough for a run; if not, it has failed."""
    try:
        refuse_too_large(plan)
    except BidsSrError as error:
        record_failure(plan, "memory", error)
        return False
    return True


def _retire(plan: RunPlan) -> None:
    """Take away what says that the run is finished, or has failed, before it starts anew."""
    for path in (plan.names.quality, plan.names.figure("index", "json"), plan.names.error):
        path.unlink(missing_ok=True)
    for path in _left_overs(plan):
        path.unlink(missing_ok=True)
    if not plan.choices.uncertainty:
        # of an earlier call: they would not belong to the series that is made now
        for path in plan.names.spread():
            path.unlink(missing_ok=True)


def _left_overs(plan: RunPlan) -> list[Path]:
    """Return half-written files of this very run, which a killed process left behind."""
    names = {path.name for path in plan.names.expected(spread=True)}
    found = plan.names.folder.glob(f"{TEMPORARY}*")
    return [path for path in found if path.name.split("-", 2)[-1] in names]


def _failure(plan: RunPlan, how: Execution) -> Failure | None:
    failure = read_failure(plan)
    if failure is not None:
        return failure
    try:
        missing = missing_outputs(plan)
    except BidsSrError as error:  # the files of the run changed meanwhile
        return record_failure(plan, "end", error)
    if not missing:
        return None
    if how.stop_on_first_crash:
        return Failure(plan.label, "", "not processed, since another run failed.")
    names = ", ".join(path.name for path in missing[:3]) + (" ..." if len(missing) > 3 else "")
    return record_failure(plan, "end", RuntimeError(f"{len(missing)} outputs are missing: {names}"))


def _check_plugin(plugin: Mapping[str, Any] | None) -> None:
    from nipype.pipeline import plugins

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


def _plugin(how: Execution, pages: PageWriter, waiting: Sequence[RunPlan] = ()) -> dict[str, Any]:
    arguments: dict[str, Any] = {"status_callback": pages.on_step}
    given = (how.plugin or {}).get("plugin_args") or {}
    if how.plugin is not None and how.plugin["plugin"] != OWN_PLUGIN:
        return {"plugin": how.plugin["plugin"], "plugin_args": {**given, **arguments}}
    if how.nprocs == 1 and how.plugin is None:
        return {"plugin": "Linear", "plugin_args": arguments}
    arguments |= {"n_procs": how.nprocs, "raise_insufficient": False}
    if how.memory_gb is not None:
        arguments["memory_gb"] = how.memory_gb
    pool = FedPoolPlugin(
        {**arguments, **given},
        how.messages,
        how.gpus,
        waiting=waiting,
        work_dir=how.work_dir,
        monitor=how.resources if how.resource_monitor else None,
    )
    return {"plugin": pool}


def _draw(workflow: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        workflow.write_graph(str(folder / "graph.dot"), graph2use="colored", format="svg")
    except OSError as error:
        _log.warning("The graph is not drawn (%s); see graph.dot in %s.", error, folder)
