"""Whether a file can hold what its header promises, before memory is asked for it."""

from __future__ import annotations

from pathlib import Path

from bids_sr.errors import InputError

_DEFLATE = 1032
"""Bytes that one byte of a gzip file can stand for, at most."""


def refuse_impossible_size(path: Path, promised: int) -> None:
    """Raise if a file is too short for the bytes that its header promises.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.
    promised : int
        Bytes of header and voxels, uncompressed.

    Raises
    ------
    InputError
        A gzip file is only refused if nothing could be packed so tightly:
        whether all is there shows when it is read.
    """
    size = path.stat().st_size
    most = size * _DEFLATE if path.name.lower().endswith(".gz") else size
    if promised > most:
        raise InputError(
            f"is truncated: it holds {size} bytes, and its header promises {promised}.",
            file=path,
            remedy="Copy or convert it again from its source, or exclude this run.",
        )
