"""Locks that keep each run to one process, however many share an output folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from bids_sr.bids.locking import Held, lock_path, try_lock
from bids_sr.errors import OutputError
from bids_sr.workflow.plan import RunPlan

_log = logging.getLogger("bids_sr")


class RunLocks:
    """Locks on runs, in the output folder and in the work folder.

    They end with this process, even if it is killed (`bids_sr.bids.locking`). On a file system
    without locks a warning is logged, and none are used. Factors share files, so a lock belongs to
    a run, not to a plan.

    Parameters
    ----------
    work_dir : pathlib.Path
        Work folder; another call may use it for another output folder.
    """

    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._held: dict[str, list[Held]] = {}
        self._told = False

    def take(self, plans: Sequence[RunPlan]) -> tuple[list[RunPlan], list[RunPlan]]:
        """Lock the runs that no other process works on.

        Parameters
        ----------
        plans : sequence of RunPlan

        Returns
        -------
        mine, busy : list of RunPlan
            Those locked now, and the others.

        Raises
        ------
        OutputError
            If a lock cannot be made in the output or work folder.
        """
        mine = [plan for plan in plans if self._take(plan)]
        return mine, [plan for plan in plans if plan.label not in self._held]

    def release(self) -> None:
        """Release all locks."""
        for held in self._held.values():
            _release(held)
        self._held.clear()

    def __enter__(self) -> RunLocks:
        """Return the locks themselves; none is held yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release all locks."""
        self.release()

    def _take(self, plan: RunPlan) -> bool:
        mine: list[Held] = []
        for path in (lock_file(plan), lock_path(self._work_dir, plan.label)):
            try:
                held = try_lock(path)
            except OSError as error:
                _release(mine)
                raise _unwritable(path, error) from error
            if held is None:
                _release(mine)
                return False
            self._tell(held)
            mine.append(held)
        self._held[plan.label] = mine
        return True

    def _tell(self, held: Held) -> None:
        if held.reason and not self._told:
            _log.warning(
                "%s: the file system has no locks (%s): do not process the same runs twice.",
                held.path.parent,
                held.reason,
            )
            self._told = True


def lock_file(plan: RunPlan) -> Path:
    """Return the file in the output folder that is locked while a run is processed."""
    return lock_path(plan.names.error.parent, plan.label)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot be written ({error.strerror or error}).",
        file=path,
        remedy="Check free space and permissions of its folder.",
    )


def _release(held: Iterable[Held]) -> None:
    for each in held:
        each.release()
