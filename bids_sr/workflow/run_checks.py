"""Checks of a run before its first step and after its last."""

from __future__ import annotations

import os

from bids_sr.bids.atomic import remove_orphans
from bids_sr.errors import BidsSrError, InputError, OutputError
from bids_sr.workflow.completeness import completion_marks, input_changed, run_faults
from bids_sr.workflow.failures import Failure, record_failure
from bids_sr.workflow.memory import refuse_too_large
from bids_sr.workflow.plan import RunPlan


def can_start(plan: RunPlan) -> bool:
    """Return whether a run can be processed; if not, record its failure.

    Parameters
    ----------
    plan : RunPlan
        If it can, all marks that it is finished or has failed are removed.
    """
    checks = (_has_name, _has_its_input, _retire, _fits)
    return all(passes(plan) for passes in checks)


def _has_name(plan: RunPlan) -> bool:
    """Return whether a run has a name of its own; if not, it fails, and nothing is touched."""
    if plan.files.problem is None or not plan.files.refused:
        return True
    record_failure(plan, "find", plan.files.problem.error())
    return False


def _has_its_input(plan: RunPlan) -> bool:
    """Return whether the input is unchanged since the run was planned; if not, it fails.

    The run may have waited for hours for another call.
    """
    if not input_changed(plan):
        return True
    record_failure(plan, "start", _changed(plan))
    return False


def _changed(plan: RunPlan) -> InputError:
    return InputError(
        "or a file that belongs to it changed while the run was processed.",
        file=plan.files.dwi,
        remedy="Run again when no other program writes to the dataset.",
    )


def _fits(plan: RunPlan) -> bool:
    """Return whether there is enough memory for a run; if not, it fails."""
    try:
        refuse_too_large(plan)
    except BidsSrError as error:
        record_failure(plan, "memory", error)
        return False
    return True


def _retire(plan: RunPlan) -> bool:
    """Remove the marks that a run is finished, or has failed, before it starts again.

    Return False, after recording the failure, if that is impossible.
    """
    # files of an earlier call would not belong to the new series
    ensemble_sd = () if plan.options.uncertainty else plan.names.ensemble_sd()
    maps = () if plan.options.maps else plan.names.maps()
    for path in (*completion_marks(plan), plan.names.error, *ensemble_sd, *maps):
        try:
            if os.path.lexists(path):  # a read-only disk refuses even to remove a missing file
                path.unlink(missing_ok=True)
        except OSError as error:
            problem, remedy = f"cannot be removed ({error.strerror}).", "Check its permissions."
            record_failure(plan, "start", OutputError(problem, file=path, remedy=remedy))
            return False
    for folder in (plan.names.folder, plan.names.figures_dir):
        remove_orphans(folder)
    return True


def not_processed(plan: RunPlan) -> Failure:
    """Return the failure of a run that was not started because another one failed."""
    return Failure(plan.label, "", "not processed, because another run failed.")


def end_failure(plan: RunPlan) -> Failure | None:
    """Check that a run is finished, and record a failure if it is not.

    Parameters
    ----------
    plan : RunPlan

    Returns
    -------
    Failure or None
        None if all outputs exist unchanged, and the input has not changed.
    """
    try:
        found = run_faults(plan)
    except BidsSrError as error:
        return record_failure(plan, "end", error)
    if not found:
        return None
    if found.input_changed:
        return record_failure(plan, "end", _changed(plan))
    faults = [*found.outputs, *filter(None, [found.self_check])]
    names = "; ".join(faults[:3]) + ("; ..." if len(faults) > 3 else "")
    problem = f"{len(faults)} outputs are missing or damaged: {names}."
    return record_failure(plan, "end", OutputError(problem, remedy="Run again."))
