"""Voxelwise work on a 4D series, slab by slab, and the maps that come of it."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.images.nifti import DwiReader, write_volumes

SLAB_BYTES = 96 << 20
"""Size of the slab read at once."""
_HELD = 3
"""In slabs, what is held at once: one that is read, one that is worked on, and its signals."""
_CHUNK = 1 << 15
"""Most voxels that a thread works on in one go: what a fit needs beside its signals stays small."""
_LEAST_CHUNK = 1000

Work = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(n, V) signals of n voxels -> (n, P) values."""
Out = Callable[[str], Path] | Mapping[str, Path]
"""Where the map of a parameter goes."""


def map_voxels(
    reader: DwiReader,
    mask: NDArray[np.bool_],
    volumes: Sequence[int],
    work: Work,
    width: int,
    *,
    threads: int | None = None,
    slab_bytes: int = SLAB_BYTES,
    scratch: Path | None = None,
) -> NDArray[np.float32]:
    """Apply `work` to the signals of all voxels in a mask.

    The signals are read volume by volume, in one pass, where those in the mask take no more
    memory than slabs would; else in slabs along the third axis, one after the other: while
    one is read, the one before is worked on.

    Parameters
    ----------
    reader : DwiReader
        The series.
    mask : numpy.ndarray
        (x, y, z), bool.
    volumes : sequence of int
        Volumes to read.
    work : callable
        (n, V) float32 -> (n, width) float32; runs in several threads at once.
    width : int
        Values per voxel.
    threads : int, optional
        How many threads work; default: one per CPU at hand.
    slab_bytes : int
        Size of a slab in memory.
    scratch : pathlib.Path, optional
        Folder for a file that holds the values instead of memory; the file is gone
        when the array is.

    Returns
    -------
    numpy.ndarray
        (voxels in the mask, width), float32; x runs fastest, z slowest.
    """
    if mask.shape != reader.shape[:3]:
        raise ValueError(f"a mask of shape {mask.shape} for an image {reader.shape}")
    result = _table(int(np.count_nonzero(mask)), width, scratch)
    threads = threads or _cpus()
    chunk = min(_CHUNK, max(_LEAST_CHUNK, slab_bytes // (32 * len(volumes))))
    start, pending = 0, list[Future[None]]()
    with ThreadPoolExecutor(threads) as pool:
        for signals in _blocks(reader, mask, volumes, slab_bytes):
            _wait(pending)
            release(result)
            target = result[start : start + len(signals)]
            bounds = np.linspace(0, len(signals), threads + 1).astype(int)
            parts = [range(low, high) for low, high in pairwise(bounds)]
            pending = [pool.submit(_apply, work, signals, target, part, chunk) for part in parts]
            start += len(signals)
        _wait(pending)
    release(result)
    return result


def write_map(
    path: Path,
    values: NDArray[np.float32],
    mask: NDArray[np.bool_],
    reader: DwiReader,
) -> None:
    """Write values of the voxels in a mask as an image, zero outside.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.
    values : numpy.ndarray
        (voxels in the mask, n), in the order of `map_voxels`; 3D when n is 1.
    mask : numpy.ndarray
        (x, y, z), bool.
    reader : DwiReader
        Gives affine and header.
    """
    shape = mask.shape if values.shape[1] == 1 else (*mask.shape, values.shape[1])
    write_volumes(path, shape, _images(values, mask), reader.affine, reader.header)


def release(values: NDArray[np.float32]) -> None:
    """Let the memory go in which the file behind an array of `map_voxels` is mirrored."""
    if isinstance(values, np.memmap):
        values.flush()
        memory: mmap.mmap = values._mmap  # type: ignore[attr-defined]
        memory.madvise(mmap.MADV_DONTNEED)


def _table(rows: int, width: int, scratch: Path | None) -> NDArray[np.float32]:
    if scratch is None or not rows:
        return np.empty((rows, width), dtype=np.float32)
    with tempfile.TemporaryFile(dir=scratch) as file:
        # column after column, for they are asked for one by one
        return np.memmap(file, np.float32, "w+", shape=(rows, width), order="F")


def _images(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> Iterator[NDArray[np.float32]]:
    for column in values.T:
        image = np.zeros(mask.T.shape, dtype=np.float32)
        image[mask.T] = column
        release(values)
        yield image.T


def path_of(out: Out, param: str) -> Path:
    """Return where the map of a parameter goes."""
    return out(param) if callable(out) else out[param]


def _blocks(
    reader: DwiReader, mask: NDArray[np.bool_], volumes: Sequence[int], slab_bytes: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the signals of the voxels in the mask, (n, V) at a time, in the order of the mask."""
    whole = 4 * (np.count_nonzero(mask) * len(volumes) + mask.size)
    if mask.any() and whole <= _HELD * slab_bytes:
        yield _at_once(reader, mask, volumes)
        return
    bytes_per_slice = 4 * mask.shape[0] * mask.shape[1] * len(volumes)
    step = max(1, slab_bytes // bytes_per_slice)
    for low in range(0, mask.shape[2], step):
        inside = mask[:, :, low : low + step]
        if inside.any():
            # whole rows of empty voxels need not be copied, but they are read with the slab
            slab = reader.slab(low, low + inside.shape[2], axis=2, volumes=volumes)
            yield slab.transpose(2, 1, 0, 3)[inside.T]


def _at_once(
    reader: DwiReader, mask: NDArray[np.bool_], volumes: Sequence[int]
) -> NDArray[np.float32]:
    signals = np.empty((np.count_nonzero(mask), len(volumes)), np.float32)
    for column in np.argsort(volumes, kind="stable"):  # one pass through the file
        signals[:, column] = reader.volume(int(volumes[column])).T[mask.T]
    return signals


def _apply(
    work: Work, signals: NDArray[np.float32], target: NDArray[np.float32], part: range, chunk: int
) -> None:
    for low in part[::chunk]:
        here = slice(low, min(low + chunk, part.stop))
        target[here] = work(signals[here])


def _cpus() -> int:
    # what this process may use, which a batch system often limits; not known on a Mac
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _wait(pending: list[Future[None]]) -> None:
    for future in pending:
        future.result()
