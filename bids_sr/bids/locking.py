"""Locks on open files, and files that are locked while they are in use and gone afterwards."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

PREFIX = ".bids_sr-"
"""How the names of lock files begin, so that no other program's is taken for one."""
SUFFIX = ".lock"
"""How they end."""
PATTERN = f"{PREFIX}*{SUFFIX}"
"""Pattern of their names."""

_BUSY = (errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)
_POLL_S = 0.1
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


@frozen
class Attempt:
    """What came of an attempt to lock an open file."""

    held: bool
    """Whether this process has the lock."""
    reason: str = ""
    """Why there can be none: the file system has no locks; mostly empty."""

    @property
    def busy(self) -> bool:
        """Whether another process has the lock."""
        return not self.held and not self.reason


def lock_open_file(handle: int, *, shared: bool = False, wait: bool = False) -> Attempt:
    """Lock an open file until it is closed; all locks of the program are taken here.

    The lock belongs to the open file and ends with the process, even if that is killed:
    none is ever stale.

    Parameters
    ----------
    handle : int
        File descriptor.
    shared : bool
        Let others have shared locks as well.
    wait : bool
        Wait until nobody else has a lock that is in the way.

    Returns
    -------
    Attempt

    Raises
    ------
    OSError
        If neither the lock nor the lack of locks on this file system is certain.
    """
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(handle, how)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return Attempt(held=False, reason=error.strerror or str(error))
        if error.errno in _BUSY:
            return Attempt(held=False)
        raise
    return Attempt(held=True)


@frozen
class Held:
    """A lock that this process has."""

    path: Path
    """The file."""
    handle: int
    """It, open."""
    reason: str = ""
    """Why others are not kept out: the file system has no locks; mostly empty."""

    def release(self) -> None:
        """Remove the file and give the lock back."""
        with suppress(OSError):  # removed while it is held: see _is_still
            self.path.unlink()
        os.close(self.handle)


def lock_path(folder: Path, name: str) -> Path:
    """Return the path of the lock file for something in a folder."""
    return folder / f"{PREFIX}{name}{SUFFIX}"


def try_lock(path: Path) -> Held | None:
    """Lock a file, making it if need be, unless somebody else has.

    It is locked as `lock_open_file` does. (`filelock` would fall back to files that can be
    stale, where a file system has no locks.)

    Parameters
    ----------
    path : pathlib.Path
        From `lock_path`. A link in its place is removed, never followed: ``datalad save``
        makes links to read-only files of all it finds.

    Returns
    -------
    Held or None
        None if somebody else has it.

    Raises
    ------
    OSError
        If the file cannot be made or locked.
    """
    while True:
        handle = _open(path)
        try:
            attempt = lock_open_file(handle)
        except OSError:
            os.close(handle)
            raise
        if not attempt.busy and _is_still(path, handle):
            return Held(path, handle, attempt.reason)
        os.close(handle)
        if attempt.busy:
            return None
        # whoever had it has removed it meanwhile


@contextmanager
def locked(path: Path, wait_s: float | None = None) -> Iterator[str]:
    """Hold a lock, waiting for it if somebody else has it.

    Parameters
    ----------
    path : pathlib.Path
        As for `try_lock`.
    wait_s : float, optional
        Seconds after which it is gone on without; by default it is waited for.

    Yields
    ------
    str
        Why it is gone on without a lock; empty if it is held.

    Raises
    ------
    OSError
        If the file cannot be made.
    """
    end = None if wait_s is None else time.monotonic() + wait_s
    while (held := try_lock(path)) is None:
        if end is not None and time.monotonic() > end:
            yield f"another process has had it for {wait_s:g} s"
            return
        time.sleep(_POLL_S)
    try:
        yield held.reason
    finally:
        held.release()


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
        except OSError as error:
            if path.is_symlink():
                path.unlink(missing_ok=True)
            elif error.errno == errno.EACCES and path.is_file():
                # left by another user, or made read-only since: it can be locked all the same
                return os.open(path, os.O_RDONLY | _FLAGS)
            else:
                raise


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except OSError:
        return False
