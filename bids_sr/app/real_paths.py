"""Real locations of folders behind links, bind mounts and other spellings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

_MOUNTS = Path("/proc/self/mountinfo")
_MOST_LINKS = 40


@frozen
class _Mount:
    """An entry of the list of mounts."""

    point: Path
    """Mount point."""
    device: str
    """Number of the file system."""
    root: Path
    """The folder of that file system mounted there."""


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder or lies in it.

    Parameters
    ----------
    path, folder : pathlib.Path
        Absolute, without links. They need not exist.

    Returns
    -------
    bool
        True also if the folder is accessible under another name: by a bind mount, or on a
        case-insensitive file system.
    """
    if path.is_relative_to(folder) or any(_same(above, folder) for above in (path, *path.parents)):
        return True
    inner, outer = _origin(path), _origin(folder)
    if not inner.is_relative_to(outer):
        return False
    # network file systems may not give the mounted folder: compare on disk
    there = next(above for above in (path, *path.parents) if above.exists())
    beside = _origin(there)
    return beside.is_relative_to(outer) and _same(there, folder / beside.relative_to(outer))


def are_one(one: Path, other: Path) -> bool:
    """Return whether two folders are the same, in the sense of `lies_in`."""
    return lies_in(one, other) and lies_in(other, one)


def stations(path: Path) -> Iterator[Path]:
    """Yield the location of a file or folder and, for a link, all those it leads through.

    Parameters
    ----------
    path : pathlib.Path
        As given.

    Yields
    ------
    pathlib.Path
        Absolute; no parent folder is a link.
    """
    for _ in range(_MOST_LINKS):
        try:
            named = path.name not in ("", "..")
            path = path.parent.resolve() / path.name if named else path.resolve()
        except (OSError, RuntimeError):  # circular links
            return
        yield path
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def mounted_below(folder: Path) -> list[Path]:
    """Return the mount points in a folder, including itself.

    Parameters
    ----------
    folder : pathlib.Path
        Absolute, without links.

    Returns
    -------
    list of pathlib.Path
        Also empty if the system does not list mounts.
    """
    return [mount.point for mount in _mounts() if mount.point.is_relative_to(folder)]


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.stat(), other.stat())
    except OSError:
        return one == other


def _origin(path: Path) -> Path:
    """Return the path within the file system, independent of the mount point."""
    holding = [mount for mount in _mounts() if path.is_relative_to(mount.point)]
    if not holding:
        return path
    # of two mounts on the same folder the later one is visible
    mount = max(reversed(holding), key=lambda each: len(each.point.parts))
    return Path("/", mount.device, *mount.root.parts[1:], path.relative_to(mount.point))


def _mounts() -> list[_Mount]:
    try:
        lines = os.fsdecode(_MOUNTS.read_bytes()).splitlines()
    except OSError:  # not Linux
        return []
    fields = [[_plain(field) for field in line.split(" ")] for line in lines]
    return [_Mount(Path(each[4]), each[2], Path(each[3])) for each in fields if len(each) > 4]


def _plain(field: str) -> str:
    r"""Decode spaces in the list: ``\040``."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
