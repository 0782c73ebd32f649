"""The nipype graph: from reading and checking a run to the pictures of its report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from bids_sr.bids.names import GQI_PARAMS, TENSOR_PARAMS, sidecar_of
from bids_sr.workflow import steps
from bids_sr.workflow.completeness import step_is_done
from bids_sr.workflow.engine import Node, Workflow, config
from bids_sr.workflow.interface import Step
from bids_sr.workflow.memory import NETWORK_STEPS, step_memory_gb
from bids_sr.workflow.monitor import Job
from bids_sr.workflow.outputs import manifest_of
from bids_sr.workflow.participant_pages import LAST_STEP
from bids_sr.workflow.plan import RunOptions, RunPlan
from bids_sr.workflow.step_log import tell_kept

NAME = "bids_sr"
"""Name of the workflow, and of its folder in the work folder."""
CRASHES = "crashes"
"""Name of the folder next to it for nipype's crash files."""

_MAP_STEPS = ("fit_input", "fit_tensor", "fit_gqi", "ensemble_sd")
"""Steps that write diffusion maps."""
_EXECUTION = {
    "check_version": "false",
    "create_report": "false",
    "crashfile_format": "txt",
    "local_hash_check": "true",
    "poll_sleep_duration": "0.2",
    "remove_unnecessary_outputs": "false",
}


@frozen
class _Part:
    """One node: its function, the sources of its arguments, its resources."""

    function: Callable[..., Any]
    """Function of `bids_sr.workflow.steps`; the node has its name."""
    needs: dict[str, str]
    """Argument -> node that provides it."""
    writes: tuple[Path, ...] = ()
    """Files it writes."""
    parallel: bool = False
    """Whether it uses several cores."""


def build_workflow(
    plans: Sequence[RunPlan], work_dir: Path, monitor: Path | None = None
) -> Workflow:
    """Build the graph of all runs.

    Parameters
    ----------
    plans : sequence of RunPlan
        One sub-graph each; they do not depend on each other.
    work_dir : pathlib.Path
        Holds nipype's state and small intermediate files.
    monitor : pathlib.Path, optional
        Table to which each step adds a row (`bids_sr.workflow.monitor`).

    Returns
    -------
    nipype.Workflow
        Steps that an earlier, interrupted call finished are not run again.
    """
    config.set("execution", "check_version", "false")
    workflow = Workflow(NAME, base_dir=str(work_dir))
    workflow.config["execution"] = {**_EXECUTION, "crashdump_dir": str(work_dir / CRASHES)}
    workflow.add_nodes([build_run_workflow(plan, work_dir / NAME, monitor) for plan in plans])
    return workflow


def build_run_workflow(plan: RunPlan, folder: Path, monitor: Path | None = None) -> Workflow:
    """Build the graph of one run.

    Parameters
    ----------
    plan : RunPlan
        The run.
    folder : pathlib.Path
        Folder in which the run's own folder is made.
    monitor : pathlib.Path, optional
        As `build_workflow`.

    Returns
    -------
    nipype.Workflow
    """
    workflow = Workflow(_run_name(plan.label), base_dir=str(folder))
    memory_gb = step_memory_gb(plan)
    nodes: dict[str, Node] = {}
    reusable: set[str] = set()
    for rank, (name, part) in enumerate(_parts(plan, folder / workflow.name).items()):
        node = nodes[name] = _node(name, part, plan, memory_gb[name])
        node.inputs.rank = rank
        if monitor is not None:
            node.inputs.job = Job(monitor, plan.label, name, memory_gb[name])
        workflow.add_nodes([node])
        for argument, source in part.needs.items():
            workflow.connect(nodes[source], "value", node, argument)
        upstream_kept = reusable.issuperset(part.needs.values())
        if upstream_kept and step_is_done(folder / workflow.name / name, name, _state(plan, name)):
            reusable.add(name)
        else:
            node.overwrite = True
    tell_kept(plan, reusable)
    if "super_resolve" in reusable and nodes["super_resolve"].inputs.use_gpu:
        # it runs the network again if an earlier call removed the members
        nodes["ensemble_sd"].inputs.use_gpu = plan.options.uncertainty
    return workflow


def _parts(plan: RunPlan, folder: Path) -> dict[str, _Part]:
    """Return the nodes of a run by name; `folder` is that of its work."""
    names = steps.names_with_maps(plan, folder)
    many = plan.options.uncertainty
    series = (names.dwi, names.dwi_sd) if many else (names.dwi,)
    # super_resolve writes the sd of the series, ensemble_sd its sidecar
    ensemble_sd = [path for path in names.ensemble_sd() if many and path != names.dwi_sd]
    checked = {"checked": "check_gradients"}
    fits = {"sr": "super_resolve", "masks": "mask"}
    parts = [
        _Part(steps.read, {}),
        # its series stays in its own folder, like the map of fit_input_gqi
        _Part(steps.undo_filling, {"run": "read"}),
        _Part(steps.check_gradients, {"run": "undo_filling"}),
        _Part(steps.super_resolve, checked, series, True),
        _Part(
            steps.describe,
            {"sr": "super_resolve", **checked},
            (names.bval, names.bvec, names.dwi_json),
        ),
        _Part(steps.mask, {"sr": "super_resolve"}, (names.mask, names.mask_json)),
        _Part(steps.fit_input, fits, _all(names.input_tensor, TENSOR_PARAMS), True),
        _Part(steps.fit_tensor, fits, _all(names.tensor, TENSOR_PARAMS), True),
        _Part(steps.fit_gqi, fits, _all(names.gqi, GQI_PARAMS), True),
        # its map stays in its own folder: it is not an output that could be missing later
        _Part(steps.fit_input_gqi, fits, (), True),
        _Part(steps.ensemble_sd, fits, tuple(ensemble_sd), many),
        _Part(steps.self_check, fits, (), True),
        _Part(
            steps.compute_metrics,
            {
                **fits,
                **checked,
                "maps": "fit_tensor",
                "input_maps": "fit_input",
                "gqi": "fit_gqi",
                "input_gqi": "fit_input_gqi",
                "ensemble_sd": "ensemble_sd",
                "check": "self_check",
                "sidecar": "describe",
            },
            (names.quality, names.report_file("curves", "json")),
        ),
        _Part(
            steps.draw,
            {
                **fits,
                **checked,
                "maps": "fit_tensor",
                "gqi": "fit_gqi",
                "input_gqi": "fit_input_gqi",
                "ensemble_sd": "ensemble_sd",
                "record": "compute_metrics",
            },
            (names.report_file("index", "json"), manifest_of(plan)),
        ),
    ]
    assert parts[-1].function.__name__ == LAST_STEP
    return {part.function.__name__: part for part in parts}


def _state(plan: RunPlan, name: str) -> str:
    """Return the state for which a step's result is valid."""
    if name == "self_check":
        return f"{plan.state} {plan.options.self_check}"
    elsewhere = name in _MAP_STEPS and not plan.options.maps
    return f"{plan.state} maps in the work folder" if elsewhere else plan.state


def _all(path: Callable[[str], Path], params: Iterable[str]) -> tuple[Path, ...]:
    return tuple(file for param in params for file in (path(param), sidecar_of(path(param))))


def _node(name: str, part: _Part, plan: RunPlan, memory_gb: float) -> Node:
    on_gpu = name in NETWORK_STEPS and plan.options.device.startswith("cuda")
    return Node(
        Step(
            part.function,
            part.writes,
            plan=plan,
            state=_state(plan, name),
            use_gpu=on_gpu,
        ),
        name=name,
        n_procs=_cores(name, part, plan.options),
        mem_gb=memory_gb,
    )


def _cores(name: str, part: _Part, options: RunOptions) -> int:
    if not part.parallel:
        return 1
    return options.network_threads if name in NETWORK_STEPS else options.threads


def _run_name(label: str) -> str:
    """Return a nipype name: letters, digits and underscores.

    Names are unique: labels (`bids_sr.bids.names.parse_name`) have no underscore, and keys and
    labels alternate.
    """
    return label.replace("-", "_").replace("+", "__plus__")
