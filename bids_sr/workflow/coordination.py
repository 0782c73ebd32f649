"""Processing runs while other processes may work on the same output folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from bids_sr.workflow.completeness import is_complete
from bids_sr.workflow.execute import Execution, execute
from bids_sr.workflow.failures import Failure
from bids_sr.workflow.locks import RunLocks
from bids_sr.workflow.monitor import start_table, tell_table
from bids_sr.workflow.participant_pages import PageWriter
from bids_sr.workflow.plan import RunPlan
from bids_sr.workflow.run_checks import not_processed

_POLL_S = 1.0
"""Interval of checks whether another process is done, s."""

_log = logging.getLogger("bids_sr")


def process(plans: Sequence[RunPlan], how: Execution, pages: PageWriter) -> list[Failure]:
    """Process runs, each by one process at a time.

    Runs locked by another process come last: usually that process finishes them; if it fails or is
    killed, they are processed here.

    Parameters
    ----------
    plans : sequence of RunPlan
        The runs.
    how : Execution
        Where and how.
    pages : PageWriter
        Notified of every step that ends.

    Returns
    -------
    list of Failure
        One for each run that failed, in the order of `plans`.

    Raises
    ------
    UsageError, OutputError
        As `execute`; or a lock cannot be made.
    """
    failures: dict[str, Failure] = {}
    waiting, told = list(plans), False
    if how.resource_monitor:
        start_table(how.resources)
    with RunLocks(how.work_dir) as locks:
        while waiting:
            mine, waiting = locks.take(waiting)
            for failure in execute(_not_done(mine), how, pages):
                failures[failure.run] = failure
            locks.release()
            if failures and how.stop_on_first_crash:
                failures |= {plan.label: not_processed(plan) for plan in waiting}
                break
            if waiting and not told:
                names = ", ".join(plan.label for plan in waiting)
                _log.info("Another process is working on %s: waiting for it.", names)
                told = True
            if waiting and not mine:
                time.sleep(_POLL_S)
    if how.resource_monitor:
        tell_table(how.resources)
    return [failures[plan.label] for plan in plans if plan.label in failures]


def _not_done(plans: Sequence[RunPlan]) -> list[RunPlan]:
    todo = []
    for plan in plans:
        if is_complete(plan):
            _log.info("%s: completed by another process", plan.label)
        else:
            todo.append(plan)
    return todo
