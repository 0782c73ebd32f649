"""The size that a run will have once its zero-filling is undone."""

from __future__ import annotations

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.runs import open_run
from bids_sr.images.zero_filling import expect
from bids_sr.workflow.plan import RunPlan


def expected_run(plan: RunPlan) -> DwiRun:
    """Open the files of a run and predict its acquired matrix.

    Parameters
    ----------
    plan : RunPlan
        The run; its first volume is read.

    Returns
    -------
    DwiRun
        With the acquired shape, if it differs from the stored one. Its series is the stored one.

    Raises
    ------
    InputError
        If the run's files cannot be used.
    """
    run, how = open_run(plan.files), plan.options
    if not how.detect_band:
        return run
    return expect(run, slice_axis=how.slice_axis, given=how.input_matrix)
