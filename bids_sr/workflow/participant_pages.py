"""Each participant's page, written as soon as the last of its runs has ended."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import asdict

from bids_sr.bids.names import is_label
from bids_sr.errors import BidsSrError
from bids_sr.workflow.failures import Failure, cause_of, read_failure, record_failure
from bids_sr.workflow.outputs import write_page_manifest
from bids_sr.workflow.plan import RunPlan
from bids_sr.workflow.workers import KILLED

LAST_STEP = "draw"

FAILED_WITH = "failed_with"
"""Attribute of a node: the last line of what its worker raised, `KILLED`, or an error that is not
recorded yet."""

_IN_STEP = "bids_sr.errors."
"""Text in the exceptions of steps that are already logged."""

_log = logging.getLogger("bids_sr")


class PageWriter:
    """Follows the steps and writes pages.

    Parameters
    ----------
    out_dir : pathlib.Path
        Derivative dataset.
    plans : sequence of RunPlan
        All runs of the call; those of a participant share a page.
    """

    def __init__(self, out_dir: Path, plans: Sequence[RunPlan]) -> None:
        self._out_dir = out_dir
        self._plans: dict[str, list[RunPlan]] = defaultdict(list)
        for plan in plans:
            self._plans[plan.files.subject].append(plan)
        self._waiting: dict[str, set[str]] = {}
        self.failures: dict[str, Failure] = {}
        """Why runs failed, by label, if a step failed."""
        self.failed: list[str] = []
        """Participants whose page could not be written."""

    def expect(self, plans: Sequence[RunPlan]) -> None:
        """Wait for these runs; participants without any get their page at the end."""
        for plan in plans:
            self._waiting.setdefault(plan.files.subject, set()).add(plan.label)

    def on_step(self, node: Any, status: str) -> None:
        """Handle the status of a node from a nipype plugin: start, end, exception."""
        if status == "exception":
            self._note(node, _why(node))
        self._count(node, status)

    def on_step_here(self, node: Any, status: str) -> None:
        """As `on_step`, for a node of this process, which cannot have been killed."""
        if node.interface.interrupted is not None:
            raise node.interface.interrupted
        if status == "exception":
            # with neither, the exception is raised at the end of the workflow and logged there
            error = sys.exception()
            if node.interface.failure is None and error is None:
                return
            self._note(node, cause_of(error) if error is not None else None)
        self._count(node, status)

    def _note(self, node: Any, error: BaseException | None) -> None:
        """Remember why a run failed; its record may be missing if the disk is full."""
        plan: RunPlan = node.inputs.plan
        failure = read_failure(plan) or node.interface.failure
        if failure is None and error is not None:
            failure = record_failure(plan, node.name, error)
        text = str(getattr(node, FAILED_WITH, "see above"))
        self.failures[plan.label] = failure or Failure(plan.label, node.name, text)

    def _count(self, node: Any, status: str) -> None:
        plan: RunPlan = node.inputs.plan
        if status == "exception" or (status == "end" and node.name == LAST_STEP):
            waiting = self._waiting.get(plan.files.subject, set())
            waiting.discard(plan.label)
            if not waiting and plan.files.subject in self._waiting:
                del self._waiting[plan.files.subject]
                self.write(plan.files.subject)

    def write_rest(self) -> None:
        """Write the pages of participants whose runs did not end."""
        for subject in list(self._waiting):
            del self._waiting[subject]
            self.write(subject)

    def write(self, subject: str) -> None:
        """Write the page of a participant; a failure is logged, not raised."""
        from bids_sr.report.participant import write_participant_page

        if not is_label(subject):
            return  # their images are refused, which log and group page report
        failures = [
            failure
            for plan in self._plans[subject]
            if (failure := read_failure(plan) or self.failures.get(plan.label)) is not None
        ]
        try:
            page = write_participant_page(
                self._out_dir, subject, errors=[_shown(failure) for failure in failures]
            )
            write_page_manifest(self._out_dir, subject)
        except Exception as error:
            self.failed.append(subject)
            text = str(error) if isinstance(error, BidsSrError) else repr(error)
            _log.error("sub-%s: the page cannot be written: %s", subject, text)
            _log.debug("sub-%s", subject, exc_info=True)
        else:
            _log.info("sub-%s: report in %s", subject, page)


def _shown(failure: Failure) -> dict[str, str | None]:
    shown: dict[str, str | None] = asdict(failure)
    return shown


def _why(node: Any) -> BaseException | None:
    """Return why a node of another process failed; None if its step has logged it."""
    told = getattr(node, FAILED_WITH, None)
    if told is None and (error := sys.exception()) is not None:
        return cause_of(error)  # it could not be sent to a worker
    if isinstance(told, BidsSrError):
        return told
    if told and told != KILLED:
        return None if _IN_STEP in told else BidsSrError(f"the step could not be run: {told}.")
    return BidsSrError(
        "its process was killed, most likely because memory ran out.",
        remedy="Lower --nprocs, --mem-mb or --batch-size, or give the job more memory.",
    )
