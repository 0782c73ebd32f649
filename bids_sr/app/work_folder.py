"""The work folder: only a marked subfolder of our own is ever changed."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_sr.app.real_paths import mounted_below
from bids_sr.app.work_check import own_work_folder
from bids_sr.bids.locking import PATTERN, Attempt, lock_open_file
from bids_sr.errors import UsageError
from bids_sr.workflow.graph import CRASHES, NAME

MARK = ".made-by-bids_sr"
"""The file that marks it; written before anything else."""

_TEXT = """\
bids_sr made this folder for intermediate results, from which an interrupted call is resumed.
`bids-sr ... --clean-workdir` empties it; it may be removed when bids-sr is not running. Do not keep
files of your own in it.
"""

_log = logging.getLogger("bids_sr")


@contextmanager
def work_folder(given: Path | None, *, clean: bool = False) -> Iterator[Path]:
    """Provide a folder of our own, until the end of a ``with`` block.

    Parameters
    ----------
    given : pathlib.Path, optional
        From ``--work-dir``: our folder is made in it. By default, a temporary one is made and
        removed at the end.
    clean : bool
        Remove results of earlier calls first.

    Yields
    ------
    pathlib.Path
        It may hold results of an earlier call.

    Raises
    ------
    UsageError
        If our folder cannot be made, has no mark although it is not empty, is or holds a link or a
        mount, or is to be cleaned while another call uses it.
    """
    if given is None:
        with tempfile.TemporaryDirectory(prefix="bids_sr-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    own = own_work_folder(given)
    try:
        handle = _open(given, own)
    except OSError as error:
        raise _unusable(own if given.is_dir() else given, error) from error
    try:
        if clean:
            _clean(own, handle)
        _refuse_links(own)
        # the folder cannot be emptied while this process lives; others may use it, too
        _lock(own, handle, shared=True, wait=True)
        yield own
    finally:
        os.close(handle)


def _open(given: Path, own: Path) -> int:
    """Make our own folder, or check that it is ours; return its mark, open."""
    given.parent.mkdir(parents=True, exist_ok=True)
    given.mkdir(mode=0o700, exist_ok=True)
    if own.is_symlink():
        raise _not_ours(own, "is a link")
    own.mkdir(mode=0o700, exist_ok=True)
    mark = own / MARK
    # empty: just made, here, by another call, or by one that was then killed
    if not _is_marked(own) and any(own.iterdir()) and not _is_marked(own):
        raise _not_ours(own, f"has no file {MARK}: bids_sr did not make it")
    handle = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    if not os.fstat(handle).st_size:
        os.write(handle, _TEXT.encode())
    if not (own / ".gitignore").exists():
        (own / ".gitignore").write_text("*\n")
    for folder in (own, given):
        _warn_if_open(folder)
    return handle


def _is_marked(own: Path) -> bool:
    mark = own / MARK
    return mark.is_file() and not mark.is_symlink()


def _not_ours(own: Path, problem: str) -> UsageError:
    return UsageError(
        f"{problem}.", file=own, remedy="Move it away, or give another work folder (-w)."
    )


def _warn_if_open(folder: Path) -> None:
    """Warn if the folder is writable for everybody.

    nipype keeps the results of steps as pickles: anyone who can write to the folder can run code as
    the user of the next call. This is a warning, not an error: in a container there may be no other
    folder. Where only owners can remove their files (``/tmp``), ours is safe.
    """
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        _log.warning(
            "%s: this work folder is writable for everybody, but its content is trusted. "
            "Give a folder of your own (-w), or remove the permission: chmod o-w.",
            folder,
        )


def _lock(own: Path, handle: int, **how: bool) -> Attempt:
    """Lock the mark of the folder, if the file system has locks."""
    try:
        attempt = lock_open_file(handle, **how)
    except OSError as error:
        raise _unusable(own / MARK, error) from error
    if attempt.reason:
        _log.debug("No lock on the work folder: %s", attempt.reason)
    return attempt


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot be used ({error.strerror}).",
        file=path,
        remedy="Give a writable work folder (-w).",
    )


def _clean(own: Path, handle: int) -> None:
    if _lock(own, handle).busy:
        raise UsageError(
            "another call is using it, so it cannot be emptied.",
            file=own,
            remedy="Wait until it has ended, leave out --clean-workdir, or give another -w.",
        )
    _refuse_links(own)
    if mounts := mounted_below(own):
        raise UsageError(
            f"cannot be emptied: something is mounted on {mounts[0]}.",
            file=own,
            remedy="Unmount it, leave out --clean-workdir, or give another work folder (-w).",
        )
    _remove(own)


def _remove(own: Path) -> None:
    """Remove the results of earlier calls; files with other names are kept, and logged."""
    for path in sorted(own.iterdir()):
        try:
            if path.name in (NAME, CRASHES) and path.is_dir():
                shutil.rmtree(path)
            elif path.match(PATTERN):
                path.unlink()
            elif path.name not in (MARK, ".gitignore"):
                _log.warning("%s: does not belong to bids_sr, and is kept.", path)
        except OSError as error:
            raise UsageError(
                f"cannot be removed ({error.strerror}).",
                file=path,
                remedy="Check its permissions, or give another work folder (-w).",
            ) from error


def _refuse_links(own: Path) -> None:
    """Refuse links in our folder, so that folders of steps are nowhere else.

    nipype empties the folder of a step before running it.
    """
    for top in (own / NAME, own / CRASHES):
        folders = [top, *_folders(top)]
        folders += [step for run in folders[1:] for step in _folders(run)]
        for folder in folders:
            if folder.is_symlink():
                raise _not_ours(folder, "is a link in bids_sr's own work folder")


def _folders(path: Path) -> list[Path]:
    """Return the folders in a folder, and links to folders."""
    if path.is_symlink() or not path.is_dir():
        return []
    with os.scandir(path) as entries:
        return [Path(entry) for entry in entries if entry.is_dir()]
