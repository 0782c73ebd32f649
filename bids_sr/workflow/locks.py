"""One process at a time on one run, however many are started on one output folder."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from bids_sr.errors import OutputError
from bids_sr.workflow.plan import RunPlan

LOCKS = ".*.lock"
"""Pattern of the files in the log folder that are locked while a run is worked on."""

_BUSY = (errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)

_log = logging.getLogger("bids_sr")


class RunLocks:
    """Locks on runs, in the output folder and in the work folder.

    They belong to the open files of this process and end with it, even if it is
    killed: none is ever stale. (`filelock` would fall back to files that are,
    where a file system has no locks; such a system is told here, and gone
    without.) Factors share files, so that a lock is of a run, not of a plan.

    Parameters
    ----------
    work_dir : pathlib.Path
        Work folder; another call may use it for another output folder.
    """

    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._held: dict[str, list[tuple[Path, int]]] = {}
        self._told = False

    def take(self, plans: Sequence[RunPlan]) -> tuple[list[RunPlan], list[RunPlan]]:
        """Lock the runs that nobody else works on.

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
        """Give all locks back."""
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
        """Give all locks back."""
        self.release()

    def _take(self, plan: RunPlan) -> bool:
        held: list[tuple[Path, int]] = []
        for path in (lock_file(plan), self._work_dir / f".{plan.label}.lock"):
            handle = self._lock(path)
            if handle is None:
                _release(held)
                return False
            held.append((path, handle))
        self._held[plan.label] = held
        return True

    def _lock(self, path: Path) -> int | None:
        """Return the handle of a locked file; None if somebody else has it."""
        while True:
            handle = _open(path)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _BUSY:
                    os.close(handle)
                    return None
                if error.errno not in _UNSUPPORTED:
                    os.close(handle)
                    raise _unwritable(path, error) from error
                self._tell(path, error)
            if _is_still(path, handle):
                return handle
            os.close(handle)  # whoever had it has removed it meanwhile

    def _tell(self, path: Path, error: OSError) -> None:
        if not self._told:
            _log.warning(
                "%s: the file system has no locks (%s): let no other call work on the same runs.",
                path.parent,
                error.strerror,
            )
        self._told = True


def lock_file(plan: RunPlan) -> Path:
    """Return the file in the output folder that is locked while a run is worked on."""
    return plan.names.error.with_name(f".{plan.label}.lock")


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _unwritable(path, error) from error
    return handle


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot be written ({error.strerror or error}).",
        file=path,
        remedy="Check free space and permissions of its folder.",
    )


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _release(held: Iterable[tuple[Path, int]]) -> None:
    for path, handle in held:
        with suppress(OSError):  # removed while it is held: see _is_still
            path.unlink()
        os.close(handle)
