"""Processing runs while others may work on the same output folder."""

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
"""How often it is looked whether another process is done."""

_log = logging.getLogger("bids_sr")


def process(plans: Sequence[RunPlan], how: Execution, pages: PageWriter) -> list[Failure]:
    """Process runs, each only while no other process does.

    Those that another process has are waited for, after all others: mostly it
    finishes them, and if it fails or is killed they are processed here.

    Parameters
    ----------
    plans : sequence of RunPlan
        What is to be done.
    how : Execution
        Where and how.
    pages : PageWriter
        Told of every step that ends.

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
                _log.info("Another process works on %s: waiting for it.", names)
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
            _log.info("%s: complete meanwhile", plan.label)
        else:
            todo.append(plan)
    return todo
