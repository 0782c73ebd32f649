"""Unreadable parts of a dataset, at which pybids would fail or be silent."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from attrs import field, frozen

from bids_sr.errors import UsageError
from bids_sr.system_errors import is_utf8, reading_remedy

_LOGGER = logging.getLogger("bids_sr")


@frozen
class Unreadable:
    """A folder that cannot be listed, or a name that cannot be handled."""

    path: Path
    """Where."""
    text: str
    """Why, one sentence."""
    remedy: str
    """What to do about it."""
    is_folder: bool
    """Whether it is a folder, as far as can be told."""
    is_level: bool
    """Whether it is a folder where BIDS has runs, or folders of runs."""


@frozen
class FolderScan:
    """Result of scanning the folders of a dataset."""

    unreadable: tuple[Unreadable, ...] = field(factory=tuple)
    """Unreadable parts that may contain images that are requested."""
    passed_over: tuple[Path, ...] = field(factory=tuple)
    """Paths that pybids must skip: unreadable ones, and those that hold nothing of the dataset."""

    def patterns(self, root: Path) -> list[re.Pattern[str]]:
        """Return the skipped paths as patterns of paths that begin with ``/`` at `root`."""
        inside = (path.relative_to(root).as_posix() for path in self.passed_over)
        return [re.compile(f"^/{re.escape(path)}(/|$)") for path in inside]


def scan_folders(
    root: Path, subjects: Collection[str], is_passed_over: Callable[[Path], bool]
) -> FolderScan:
    """Scan the folders of participants, before pybids does.

    pybids silently omits what it cannot list, fails where it has no permission, loops where links
    lead back, and cannot index names that are not UTF-8.

    Parameters
    ----------
    root : pathlib.Path
        Top of the dataset.
    subjects : collection of str
        Labels; others are not scanned. Empty means all.
    is_passed_over : callable
        Whether pybids skips a path in any case.

    Returns
    -------
    FolderScan

    Raises
    ------
    UsageError
        If the top itself cannot be listed.
    """
    try:
        entries = _listed(root)
    except OSError as error:
        raise UsageError(unlisted(error), file=root, remedy=reading_remedy(error)) from error
    unreadable: list[Unreadable] = []
    passed_over: list[Path] = []
    for entry in entries:
        path = root / entry.name
        if not entry.name.startswith("sub-"):
            if _is_folder(entry) or not is_utf8(entry.name):
                passed_over.append(path)  # such as lost+found, or outputs
        elif not subjects or entry.name.removeprefix("sub-") in subjects:
            _look(entry, path, [root], is_passed_over, unreadable, passed_over)
    return FolderScan(tuple(unreadable), (*passed_over, *(each.path for each in unreadable)))


def _look(
    entry: os.DirEntry[str],
    path: Path,
    above: list[Path],
    is_passed_over: Callable[[Path], bool],
    unreadable: list[Unreadable],
    passed_over: list[Path],
) -> None:
    """Examine one entry of a folder, and its content if it is a folder."""
    if is_passed_over(path):
        return
    is_level = _is_level(entry.name, len(above))
    if not is_utf8(entry.name):
        told, remedy = "is not processed: its name is not UTF-8.", "Rename it."
        is_folder = _is_folder(entry)
        unreadable.append(Unreadable(path, told, remedy, is_folder, is_folder and is_level))
        return
    try:
        if not _is_folder(entry):
            return
        if any(path.samefile(folder) for folder in above):
            _LOGGER.warning("%s: a link back to a folder above it, not followed.", path)
            passed_over.append(path)
            return
        inner = _listed(path)
    except FileNotFoundError:  # gone in the meantime
        return
    except OSError as error:
        if is_level or not entry.is_symlink():  # a broken link to a file fails when read
            unreadable.append(
                Unreadable(path, unlisted(error), reading_remedy(error), True, is_level)
            )
        return
    for each in inner:
        _look(each, path / each.name, [*above, path], is_passed_over, unreadable, passed_over)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder, sorted, after a stat of each, as pybids does."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    return list(_looked_up(found))


def _looked_up(entries: list[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        try:
            entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # gone in the meantime
            continue
        yield entry


def _is_level(name: str, depth: int) -> bool:
    return depth == 1 or name == "dwi" or (depth == 2 and name.startswith("ses-"))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # it does not respond: listing it gives the reason
        return True


def unlisted(error: OSError) -> str:
    """Return the problem of a folder that cannot be listed."""
    return f"cannot be listed ({error.strerror or error}): its images are unknown."
