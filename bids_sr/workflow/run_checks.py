"""What is checked of a run before its first step and after its last."""

from __future__ import annotations

import os

from bids_sr.bids.atomic import remove_orphans
from bids_sr.errors import BidsSrError, InputError, OutputError
from bids_sr.workflow.completeness import completion_marks, input_changed, run_faults
from bids_sr.workflow.failures import Failure, record_failure
from bids_sr.workflow.memory import refuse_too_large
from bids_sr.workflow.plan import RunPlan


def can_start(plan: RunPlan) -> bool:
    """Tell whether a run can be processed; if not, its failure is on record.

    Parameters
    ----------
    plan : RunPlan
        If it can, nothing is left that says that it is finished, or has failed.
    """
    checks = (_has_name, _has_its_input, _retire, _fits)
    return all(passes(plan) for passes in checks)


def _has_name(plan: RunPlan) -> bool:
    """Tell whether a run has a name of its own; if not, it has failed, and nothing is touched."""
    if plan.files.problem is None or not plan.files.refused:
        return True
    record_failure(plan, "find", plan.files.problem.error())
    return False


def _has_its_input(plan: RunPlan) -> bool:
    """Tell whether the input is what the run was planned for; if not, it has failed.

    It may have waited for hours until another call was done with it.
    """
    if not input_changed(plan):
        return True
    record_failure(plan, "start", _changed(plan))
    return False


def _changed(plan: RunPlan) -> InputError:
    return InputError(
        "or a file that belongs to it changed while the run was worked on.",
        file=plan.files.dwi,
        remedy="Run again once nothing writes to the dataset.",
    )


def _fits(plan: RunPlan) -> bool:
    """Tell whether there is memory enough for a run; if not, it has failed."""
    try:
        refuse_too_large(plan)
    except BidsSrError as error:
        record_failure(plan, "memory", error)
        return False
    return True


def _retire(plan: RunPlan) -> bool:
    """Take away what says that the run is finished, or has failed, before it starts anew.

    Returns False, and leaves a record, if that cannot be done.
    """
    # of an earlier call, they would not belong to the series that is made now
    ensemble_sd = () if plan.options.uncertainty else plan.names.ensemble_sd()
    maps = () if plan.options.maps else plan.names.maps()
    for path in (*completion_marks(plan), plan.names.error, *ensemble_sd, *maps):
        try:
            if os.path.lexists(path):  # a read-only disk refuses to remove what is not there
                path.unlink(missing_ok=True)
        except OSError as error:
            problem, remedy = f"cannot be removed ({error.strerror}).", "Check its permissions."
            record_failure(plan, "start", OutputError(problem, file=path, remedy=remedy))
            return False
    for folder in (plan.names.folder, plan.names.figures_dir):
        remove_orphans(folder)
    return True


def not_processed(plan: RunPlan) -> Failure:
    """Return what is said of a run that was not begun since another one failed."""
    return Failure(plan.label, "", "not processed, since another run failed.")


def end_failure(plan: RunPlan) -> Failure | None:
    """Look whether a run that should be finished is, and record it if not.

    Parameters
    ----------
    plan : RunPlan

    Returns
    -------
    Failure or None
        None if all that is expected is there, as it was written, and the input is
        still what it was.
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
