"""The work folder: a marked folder of our own in it, and nothing else is ever touched."""

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
"""File in it that says so; written before anything else is put there."""

_TEXT = """\
bids_sr made this folder for what lets an interrupted call go on. `bids-sr ... --clean-workdir`
empties it; it may be removed whenever no call of bids-sr works. Keep nothing of your own in it.
"""

_log = logging.getLogger("bids_sr")


@contextmanager
def work_folder(given: Path | None, *, clean: bool = False) -> Iterator[Path]:
    """Give a folder that is ours alone, until the end of a ``with`` block.

    Parameters
    ----------
    given : pathlib.Path, optional
        From ``--work-dir``: ours is made in it. By default, a temporary one is made and
        removed at the end.
    clean : bool
        What earlier calls left in ours is removed first.

    Yields
    ------
    pathlib.Path
        It may hold what an earlier call left.

    Raises
    ------
    UsageError
        If ours cannot be made, has no mark although it is not empty, is or holds a link or a
        mount, or is to be cleaned while another call works in it.
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
        # nobody empties the folder as long as this process lives; others may use it, too
        _lock(own, handle, shared=True, wait=True)
        yield own
    finally:
        os.close(handle)


def _open(given: Path, own: Path) -> int:
    """Make our own folder, or make sure that it is ours; return its mark, open."""
    given.parent.mkdir(parents=True, exist_ok=True)
    given.mkdir(mode=0o700, exist_ok=True)
    if own.is_symlink():
        raise _not_ours(own, "is a link")
    own.mkdir(mode=0o700, exist_ok=True)
    mark = own / MARK
    # empty: just made, here or by another call, or by one that was killed right then
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
    """Tell that everybody may put something there.

    nipype keeps the results of steps as pickles: whoever can write to the folder can run
    code as the one who calls the program again. It is told, not refused: in a container it
    may be the only kind of folder there is. Where only owners can remove what they made
    (``/tmp``), ours is safe.
    """
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        _log.warning(
            "%s: everybody may write to this work folder, and what lies in it is trusted. "
            "Give a folder of your own (-w), or take that right away: chmod o-w.",
            folder,
        )


def _lock(own: Path, handle: int, **how: bool) -> Attempt:
    """Lock the mark of the folder, where the file system has locks."""
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
        remedy="Give a work folder (-w) that you may write to.",
    )


def _clean(own: Path, handle: int) -> None:
    if _lock(own, handle).busy:
        raise UsageError(
            "another call works in it, so that it cannot be emptied.",
            file=own,
            remedy="Wait for its end, leave out --clean-workdir, or give another -w.",
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
    """Remove what earlier calls put into the folder; names of others stay, and are told."""
    for path in sorted(own.iterdir()):
        try:
            if path.name in (NAME, CRASHES) and path.is_dir():
                shutil.rmtree(path)
            elif path.match(PATTERN):
                path.unlink()
            elif path.name not in (MARK, ".gitignore"):
                _log.warning("%s: is not bids_sr's, and stays.", path)
        except OSError as error:
            raise UsageError(
                f"cannot be removed ({error.strerror}).",
                file=path,
                remedy="Check its permissions, or give another work folder (-w).",
            ) from error


def _refuse_links(own: Path) -> None:
    """See that what is kept in folders of steps is kept here and nowhere else.

    nipype empties the folder of a step before it is run.
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
