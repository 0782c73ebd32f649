"""Where folders really are: through links, bind mounts and other spellings of their names."""

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
    """A line of the list of mounts."""

    point: Path
    """Where it is seen."""
    device: str
    """Number of its file system."""
    root: Path
    """Which folder of that file system is seen there."""


def lies_in(path: Path, folder: Path) -> bool:
    """Tell whether a path is a folder or lies in it.

    Parameters
    ----------
    path, folder : pathlib.Path
        Absolute, without links in them. They need not exist.

    Returns
    -------
    bool
        True also if the folder is seen under another name: by a bind mount, or where the
        file system takes large and small letters for the same.
    """
    if path.is_relative_to(folder) or any(_same(above, folder) for above in (path, *path.parents)):
        return True
    inner, outer = _origin(path), _origin(folder)
    if not inner.is_relative_to(outer):
        return False
    # file systems on a network may not say which of their folders is mounted: look
    there = next(above for above in (path, *path.parents) if above.exists())
    beside = _origin(there)
    return beside.is_relative_to(outer) and _same(there, folder / beside.relative_to(outer))


def are_one(one: Path, other: Path) -> bool:
    """Tell whether two folders are the same, as `lies_in` sees it."""
    return lies_in(one, other) and lies_in(other, one)


def stations(path: Path) -> Iterator[Path]:
    """Yield where a file or folder lies and, of a link, all that it leads through.

    Parameters
    ----------
    path : pathlib.Path
        As it was given.

    Yields
    ------
    pathlib.Path
        Absolute; the folders in them are no links.
    """
    for _ in range(_MOST_LINKS):
        try:
            named = path.name not in ("", "..")
            path = path.parent.resolve() / path.name if named else path.resolve()
        except (OSError, RuntimeError):  # links that lead in a circle
            return
        yield path
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def mounted_below(folder: Path) -> list[Path]:
    """Return what is mounted on folders in a folder, or on itself.

    Parameters
    ----------
    folder : pathlib.Path
        Absolute, without links in it.

    Returns
    -------
    list of pathlib.Path
        Empty too where the system does not tell.
    """
    return [mount.point for mount in _mounts() if mount.point.is_relative_to(folder)]


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.stat(), other.stat())
    except OSError:
        return one == other


def _origin(path: Path) -> Path:
    """Return the place within the file system, wherever that is mounted."""
    holding = [mount for mount in _mounts() if path.is_relative_to(mount.point)]
    if not holding:
        return path
    # of two on the same folder the later one is seen
    mount = max(reversed(holding), key=lambda each: len(each.point.parts))
    return Path("/", mount.device, *mount.root.parts[1:], path.relative_to(mount.point))


def _mounts() -> list[_Mount]:
    try:
        lines = os.fsdecode(_MOUNTS.read_bytes()).splitlines()
    except OSError:  # another system than Linux
        return []
    fields = [[_plain(field) for field in line.split(" ")] for line in lines]
    return [_Mount(Path(each[4]), each[2], Path(each[3])) for each in fields if len(each) > 4]


def _plain(field: str) -> str:
    r"""Undo how the list writes spaces: ``\040``."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
