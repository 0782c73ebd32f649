"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bids_sr.bids.locking import lock_open_file
from bids_sr.errors import OutputError

TEMPORARY = ".tmp-bids_sr-"
"""Prefix of the names of unfinished files; no other program uses it."""
_UNFINISHED = re.compile(rf"^{re.escape(TEMPORARY)}[0-9a-f]{{16}}-")

_SURELY_DEAD_S = 86400
"""Age from which a file counts as abandoned, where there are no locks to tell."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; move it there on success.

    Parameters
    ----------
    path : pathlib.Path
        Final place; its folder is made if necessary. A link there is replaced; its target is left
        as it is. The temporary name is hidden and keeps the suffixes, since writers choose the
        format by them. It is locked while it is written, so that `remove_orphans` leaves it alone.

    Yields
    ------
    pathlib.Path
        Where to write. On an exception it is deleted and `path` is untouched.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full.
    """
    # known before it exists, so that it is removed even if a signal arrives just then
    temporary, handle = _fresh(path), -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while (handle := _reserve(temporary)) < 0:
            temporary = _fresh(path)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or error}).",
            file=path,
            remedy="Check free space and permissions of the output folder.",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


def remove_orphans(folder: Path, pattern: str = f"{TEMPORARY}*") -> None:
    """Remove what killed processes were writing into a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Files of running processes are locked, and are kept. The folder need not exist.
    pattern : str
        Names of the files, which only this program gives: unfinished ones, or others
        that are locked while in use.
    """
    for path in folder.glob(pattern):
        with suppress(OSError):
            if path.is_symlink():  # no process writes it: a copy of it was put under git-annex
                path.unlink()
            elif path.is_file():
                _remove_orphan(path)


def _remove_orphan(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except PermissionError:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if _locked(handle) or path.stat().st_mtime < time.time() - _SURELY_DEAD_S:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def final_name(name: str) -> str:
    """Return the name that a file will have once it is complete.

    Examples
    --------
    >>> final_name(".tmp-bids_sr-0123456789abcdef-sub-01_dwi.nii.gz"), final_name("README")
    ('sub-01_dwi.nii.gz', 'README')
    """
    return _UNFINISHED.sub("", name)


def _fresh(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}-{path.name}")


def _reserve(temporary: Path) -> int:
    """Create a file and lock it; -1 if it was taken for an orphan before it was locked."""
    # with its final permissions: not every share allows changing them afterwards
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    _locked(handle)
    if os.fstat(handle).st_nlink:
        return handle
    os.close(handle)
    return -1


def _locked(handle: int) -> bool:
    """Lock an open file; return whether that worked."""
    try:
        return lock_open_file(handle).held
    except OSError:
        return False


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as indented JSON, whole or not at all; NaN is refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
