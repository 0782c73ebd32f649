"""The final check of the output folder before the exit status."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from bids_sr.bids.output_dataset_check import dataset_faults
from bids_sr.workflow.completeness import page_faults
from bids_sr.workflow.failures import Failure
from bids_sr.workflow.participant_pages import PageWriter
from bids_sr.workflow.plan import RunPlan
from bids_sr.workflow.run_checks import end_failure

_log = logging.getLogger("bids_sr")


def check_end(
    out_dir: Path,
    plans: Sequence[RunPlan],
    done: Sequence[RunPlan],
    failures: Sequence[Failure],
    pages: PageWriter,
) -> tuple[list[Failure], bool]:
    """Check that the output folder is complete.

    Parameters
    ----------
    out_dir : pathlib.Path
        Derivative dataset.
    plans : sequence of RunPlan
        All runs of the call; those found complete at the start have already been checked.
    done : sequence of RunPlan
        Those that were processed.
    failures : sequence of Failure
        Those that failed.
    pages : PageWriter
        Rewrites the pages of participants with further failures.

    Returns
    -------
    failures : list of Failure
        The given ones, and those found here.
    shared_good : bool
        Whether the shared files and pages are complete.
    """
    failed = {failure.run for failure in failures}
    found = [
        failure
        for plan in done
        if plan.label not in failed and (failure := end_failure(plan)) is not None
    ]
    late = {failure.run for failure in found}
    for subject in sorted({plan.files.subject for plan in done if plan.label in late}):
        pages.write(subject)
    faults = dataset_faults(out_dir)
    for subject in sorted({plan.files.subject for plan in plans}):
        if page_faults(out_dir, subject):
            pages.write(subject)  # another call may have written it in the meantime, for other runs
        faults += page_faults(out_dir, subject)
    for fault in faults:
        _log.error("%s: %s. Run again.", out_dir, fault)
    return [*failures, *found], not faults
