"""Arrays too large for memory, in files of the work folder."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bids_sr.errors import OutputError


def scratch_array(
    folder: Path | None, shape: tuple[int, ...], dtype: DTypeLike, *, by_column: bool = False
) -> NDArray[Any]:
    """Return an array of zeros in an unnamed file, which is deleted with the array.

    Parameters
    ----------
    folder : pathlib.Path or None
        Folder for the file; None: the system's temporary folder.
    shape : tuple of int
        Shape of the array.
    dtype : data type
        Data type of the array.
    by_column : bool
        Whether the first axis varies fastest in the file.

    Returns
    -------
    numpy.memmap

    Raises
    ------
    OutputError
        If there is no space for the file.
    """
    with scratch_file(folder) as file:
        reserve(file, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return np.memmap(file, dtype, "r+", shape=shape, order="F" if by_column else "C")


@contextmanager
def scratch_file(folder: Path | None) -> Iterator[IO[bytes]]:
    """Open an unnamed file, which is deleted when it is closed.

    Parameters
    ----------
    folder : pathlib.Path or None
        Folder for the file; None: the system's temporary folder.

    Yields
    ------
    file object

    Raises
    ------
    OutputError
        If there is no space for the file.
    """
    with no_space(folder), tempfile.TemporaryFile(dir=folder) as file:
        yield file


@contextmanager
def no_space(folder: Path | None) -> Iterator[None]:
    """Turn an OSError of a ``with`` block into an OutputError about the folder's disk."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"has no space for data that do not fit into memory ({error.strerror or error}).",
            file=folder or Path(tempfile.gettempdir()),
            remedy="Free space there, or give -w a folder on another disk.",
        ) from error


def reserve(file: IO[bytes], size: int) -> None:
    """Reserve the disk space of a file: a disk that fills up under a memory map ends the program.

    Parameters
    ----------
    file : file object
        Open for writing.
    size : int
        Size of the file, bytes.

    Raises
    ------
    OSError
        If the disk is too full.
    """
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    file.truncate(size)


def release(values: NDArray[Any]) -> None:
    """Take the pages of a memory-mapped array out of the process's memory.

    They are read from the file, or from the system's cache of it, when they are next used. Arrays
    in memory are left alone.
    """
    if isinstance(values, np.memmap):
        memory: mmap.mmap = values._mmap  # type: ignore[attr-defined]
        memory.madvise(mmap.MADV_DONTNEED)
