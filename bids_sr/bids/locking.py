"""Locks on open files, and lock files that exist only while they are held."""

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
"""Prefix of the names of lock files; no other program uses it."""
SUFFIX = ".lock"
"""Suffix of their names."""
PATTERN = f"{PREFIX}*{SUFFIX}"
"""Pattern of their names."""

_BUSY = (errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)
_POLL_S = 0.1
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


@frozen
class Attempt:
    """Result of an attempt to lock an open file."""

    held: bool
    """Whether this process has the lock."""
    reason: str = ""
    """Why locking is impossible: the file system has no locks; usually empty."""

    @property
    def busy(self) -> bool:
        """Whether another process has the lock."""
        return not self.held and not self.reason


def lock_open_file(handle: int, *, shared: bool = False, wait: bool = False) -> Attempt:
    """Lock an open file until it is closed; all locks of the program are acquired here.

    The lock belongs to the open file and ends with the process, even if that is killed: it never
    becomes stale.

    Parameters
    ----------
    handle : int
        File descriptor.
    shared : bool
        Allow others to hold shared locks as well.
    wait : bool
        Wait until no other process holds a conflicting lock.

    Returns
    -------
    Attempt

    Raises
    ------
    OSError
        If it is unclear whether this file system has locks.
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
    """Why other processes are not excluded: the file system has no locks; usually empty."""

    def release(self) -> None:
        """Remove the file and release the lock."""
        with suppress(OSError):  # removed while the lock is held: see _is_still
            self.path.unlink()
        os.close(self.handle)


def lock_path(folder: Path, name: str) -> Path:
    """Return the path of the lock file for something in a folder."""
    return folder / f"{PREFIX}{name}{SUFFIX}"


def try_lock(path: Path) -> Held | None:
    """Lock a file, creating it if necessary, unless another process has locked it.

    It is locked as `lock_open_file` does. (`filelock` would fall back to files that can become
    stale where a file system has no locks.)

    Parameters
    ----------
    path : pathlib.Path
        From `lock_path`. A link in its place is removed, never followed: ``datalad save`` turns all
        files into links to read-only ones.

    Returns
    -------
    Held or None
        None if another process holds the lock.

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
        # the holder removed it in the meantime


@contextmanager
def locked(path: Path, wait_s: float | None = None) -> Iterator[str]:
    """Hold a lock, waiting for it if another process has it.

    Parameters
    ----------
    path : pathlib.Path
        As for `try_lock`.
    wait_s : float, optional
        Seconds after which to continue without the lock; default: no limit.

    Yields
    ------
    str
        Why there is no lock; empty if it is held.

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
                # left by another user, or made read-only since: it can still be locked
                return os.open(path, os.O_RDONLY | _FLAGS)
            else:
                raise


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except OSError:
        return False
