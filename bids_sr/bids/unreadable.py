"""What of a dataset cannot be looked into: pybids would end there, or say nothing."""

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
    """A folder that cannot be looked into, or a name that cannot be worked with."""

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
    """What a look into the folders of a dataset gave."""

    unreadable: tuple[Unreadable, ...] = field(factory=tuple)
    """What may hold images that are asked for."""
    passed_over: tuple[Path, ...] = field(factory=tuple)
    """What pybids shall pass over: what is unreadable, and what holds nothing of the dataset."""

    def patterns(self, root: Path) -> list[re.Pattern[str]]:
        """Return what is passed over as patterns of paths that begin with ``/`` at `root`."""
        inside = (path.relative_to(root).as_posix() for path in self.passed_over)
        return [re.compile(f"^/{re.escape(path)}(/|$)") for path in inside]


def scan_folders(
    root: Path, subjects: Collection[str], is_passed_over: Callable[[Path], bool]
) -> FolderScan:
    """Look into the folders of participants, as pybids does next.

    pybids leaves out without a word what it cannot list, ends where it may not enter, goes
    round in circles where links lead back, and cannot index names that are not UTF-8.

    Parameters
    ----------
    root : pathlib.Path
        Top of the dataset.
    subjects : collection of str
        Labels; others are not looked into. Empty means all.
    is_passed_over : callable
        Tells of a path whether pybids is told to pass it over in any case.

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
                passed_over.append(path)  # lost+found, say, or outputs
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
    """Look at one entry of a folder, and into it if it is one."""
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
            _LOGGER.warning("%s: a link back to a folder above it, not looked into.", path)
            passed_over.append(path)
            return
        inner = _listed(path)
    except FileNotFoundError:  # gone meanwhile
        return
    except OSError as error:
        if is_level or not entry.is_symlink():  # a file's own link is told when that is read
            unreadable.append(
                Unreadable(path, unlisted(error), reading_remedy(error), True, is_level)
            )
        return
    for each in inner:
        _look(each, path / each.name, [*above, path], is_passed_over, unreadable, passed_over)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, sorted; all of it can be looked up, as pybids will."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    return list(_looked_up(found))


def _looked_up(entries: list[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        try:
            entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # gone meanwhile
            continue
        yield entry


def _is_level(name: str, depth: int) -> bool:
    return depth == 1 or name == "dwi" or (depth == 2 and name.startswith("ses-"))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # it does not answer: listing it will tell why
        return True


def unlisted(error: OSError) -> str:
    """Say why a folder's content is not known."""
    return f"cannot be looked into ({error.strerror or error}): its images are not known."
