"""What is known about each run in advance: whether it is usable, complete, and its cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes
from bids_sr.errors import BidsSrError
from bids_sr.workflow.completeness import AGAIN, TODO, run_state
from bids_sr.workflow.estimate import (
    PROGRAM_GB,
    Task,
    file_bytes,
    image_bytes,
    output_bytes,
    work_bytes,
)
from bids_sr.workflow.expected_run import expected_run
from bids_sr.workflow.memory import least_memory_gb
from bids_sr.workflow.outputs import outputs_of
from bids_sr.workflow.plan import RunPlan
from bids_sr.workflow.run_size import passes_of

UNUSABLE = "unusable"
"""State of a run that cannot be processed; the others are those of `run_state`."""


@frozen
class Forecast:
    """One run."""

    plan: RunPlan
    """The run."""
    state: str
    """`UNUSABLE`, or the result of `bids_sr.workflow.completeness.run_state`."""
    problem: str = ""
    """Why it is unusable."""
    task: Task | None = None
    """The parameters of its cost; None if it is unusable."""
    files: Mapping[Path, int | None] = field(factory=dict)
    """Files that it writes, and the uncompressed bytes of images; None: unknown."""
    output: Mapping[str, int] = field(factory=dict)
    """Bytes by kind, pictures of the report as well."""
    work: tuple[int, int] = (0, 0)
    """Bytes of the work folder that stay, and that pass."""
    memory_gb: float = 0.0
    """Of its largest step, and of the program beside it."""

    @property
    def pending(self) -> bool:
        """Whether the run needs processing."""
        return self.state in (TODO, AGAIN)


def forecast(plan: RunPlan) -> Forecast:
    """Examine a run without processing it.

    Parameters
    ----------
    plan : RunPlan
        The run; the header and first volume of its image and its gradient files are read.

    Returns
    -------
    Forecast
    """
    try:
        run = expected_run(plan)
        paths = outputs_of(plan, run.gradients)
    except BidsSrError as error:
        return Forecast(plan, UNUSABLE, problem=str(error))
    task = make_task(plan, run)
    about = {path.name: file_bytes(path.name, task) for path in paths}
    return Forecast(
        plan,
        run_state(plan),
        task=task,
        files={path: image_bytes(path.name, task) for path in paths},
        output=output_bytes(about, task),
        work=work_bytes(task),
        memory_gb=PROGRAM_GB + least_memory_gb(plan, run),
    )


def make_task(plan: RunPlan, run: DwiRun) -> Task:
    """Collect the parameters that the cost of a run depends on.

    Parameters
    ----------
    plan : RunPlan
        The run.
    run : DwiRun
        The same, opened, at its acquired matrix (`bids_sr.workflow.expected_run`).

    Returns
    -------
    Task
    """
    how = plan.options
    return Task(
        shape=run.shape,
        stored=run.stored.shape if run.stored else None,
        factor=plan.names.factor,
        details=passes_of(how.card, run.gradients).images,
        members=how.ensemble,
        tensor_volumes=len(dti_volumes(run.gradients).indices),
        gqi_volumes=len(gqi_volumes(run.gradients).indices),
        maps=how.maps,
        uncertainty=how.uncertainty,
        self_check=how.self_check,
        output_dtype=how.output_dtype,
    )
