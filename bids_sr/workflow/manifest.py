"""The list of a run's output files, used to detect later damage."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bids_sr.bids.atomic import write_json
from bids_sr.bids.json_file import read_json

_TAIL = 8
"""Bytes at the end of a gzip file: checksum and length of what it holds."""

_SMALL = 1 << 20
"""Files up to this size, bytes, are read whole whenever they are compared."""


def write_manifest(path: Path, top: Path, files: Iterable[Path], fingerprint: str) -> None:
    """Write size and checksum of each file.

    Parameters
    ----------
    path : pathlib.Path
        The manifest.
    top : pathlib.Path
        Top of the derivative dataset: names are relative to it.
    files : iterable of pathlib.Path
        Existing files.
    fingerprint : str
        Fingerprint for which they were made.
    """
    listed = {file.relative_to(top).as_posix(): _describe(file) for file in sorted(set(files))}
    write_json(path, {"Fingerprint": fingerprint, "Files": listed})


def manifest_faults(path: Path, top: Path, fingerprint: str) -> list[str]:
    """Compare files with their manifest.

    For a large file, size and last bytes are compared, which detects one that was truncated, is
    being written or belongs to another run; small files are compared completely.

    Parameters
    ----------
    path, top, fingerprint
        As in `write_manifest`.

    Returns
    -------
    list of str
        One for each fault: the file's name and what is wrong with it.
    """
    try:
        content = read_json(path)
        listed = content["Files"]
        if content["Fingerprint"] != fingerprint:
            return [f"{path.name} is of another run"]
        faults = [_fault(top / name, said) for name, said in listed.items()]
    except FileNotFoundError:
        return [f"{path.name} is missing"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [f"{path.name} cannot be read"]
    return [fault for fault in faults if fault]


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"Size": stream.tell(), "SHA256": digest, "Tail": _tail(path)}


def _fault(path: Path, said: dict[str, Any]) -> str:
    try:
        size = path.stat().st_size
    except OSError:
        return f"{path.name} is missing"
    if size != said["Size"]:
        return f"{path.name} has {size} bytes instead of {said['Size']}"
    same = _tail(path) == said["Tail"]
    if same and size <= _SMALL:
        same = _describe(path)["SHA256"] == said["SHA256"]
    return "" if same else f"{path.name} has changed"


def _tail(path: Path) -> str:
    with path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(-min(_TAIL, stream.tell()), os.SEEK_END)
        return stream.read().hex()
