"""Voxelwise processing of a 4D series, block by block, and writing the resulting maps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.images.nifti import VolumeSource, write_volumes
from bids_sr.images.scratch import release, scratch_array, scratch_file

BLOCK_BYTES = 96 << 20
"""Size of the block of signals processed at once."""
_HELD = 3
"""Number of blocks of signals up to which no temporary file is used."""
_CHUNK = 1 << 15
"""Largest number of voxels per thread and call, which limits the memory of a fit."""
_LEAST_CHUNK = 1000

Work = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(n, V) signals of n voxels -> (n, P) values."""
Out = Callable[[str], Path] | Mapping[str, Path]
"""Path of the map of a parameter."""


def map_voxels(
    reader: VolumeSource,
    mask: NDArray[np.bool_],
    volumes: Sequence[int],
    work: Work,
    width: int,
    *,
    threads: int | None = None,
    block_bytes: int = BLOCK_BYTES,
    scratch: Path | None = None,
    on_disk: bool = False,
) -> NDArray[np.float32]:
    """Apply `work` to the signals of all voxels in a mask.

    The series is read volume by volume, in one pass. If the signals in the mask exceed three
    blocks, they pass through an unnamed temporary file; while a block is read from it, the previous
    one is processed. So memory does not grow with the number of volumes.

    Parameters
    ----------
    reader : VolumeSource
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
        Number of threads; default: one per available CPU.
    block_bytes : int
        Size of a block in memory.
    scratch : pathlib.Path, optional
        Folder for unnamed files; default: the system's temporary folder.
    on_disk : bool
        Keep the values in such a file instead of memory; it is deleted with the array.

    Returns
    -------
    numpy.ndarray
        (voxels in the mask, width), float32; x runs fastest, z slowest.

    Raises
    ------
    InputError
        If the series cannot be read.
    OutputError
        If there is no space for the files.
    """
    if mask.shape != reader.shape[:3]:
        raise ValueError(f"a mask of shape {mask.shape} for an image {reader.shape}")
    result = _table(int(np.count_nonzero(mask)), width, scratch, on_disk=on_disk)
    threads = threads or _cpus()
    chunk = min(_CHUNK, max(_LEAST_CHUNK, block_bytes // (32 * len(volumes))))
    start, pending = 0, list[Future[None]]()
    with ThreadPoolExecutor(threads) as pool:
        for signals in _blocks(reader, mask, volumes, block_bytes, scratch):
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
    reader: VolumeSource,
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
    reader : VolumeSource
        Source of affine and other header fields.
    """
    shape = mask.shape if values.shape[1] == 1 else (*mask.shape, values.shape[1])
    write_volumes(path, shape, _images(values, mask), reader.affine, reader.meta)


def _table(rows: int, width: int, scratch: Path | None, *, on_disk: bool) -> NDArray[np.float32]:
    if not on_disk or not rows:
        return np.empty((rows, width), dtype=np.float32)
    # column by column, as they are read
    return scratch_array(scratch, (rows, width), np.float32, by_column=True)


def _images(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> Iterator[NDArray[np.float32]]:
    for column in values.T:
        image = np.zeros(mask.T.shape, dtype=np.float32)
        image[mask.T] = column
        release(values)
        yield image.T


def path_of(out: Out, param: str) -> Path:
    """Return the path of the map of a parameter."""
    return out(param) if callable(out) else out[param]


def _blocks(
    reader: VolumeSource,
    mask: NDArray[np.bool_],
    volumes: Sequence[int],
    block_bytes: int,
    scratch: Path | None,
) -> Iterator[NDArray[np.float32]]:
    """Yield the signals of the voxels in the mask, (n, V) at a time, in the order of the mask."""
    count = int(np.count_nonzero(mask))
    if not count:
        return
    order = np.argsort(volumes, kind="stable")  # one pass through the file
    if 4 * (count * len(volumes) + mask.size) <= _HELD * block_bytes:
        signals = np.empty((count, len(volumes)), np.float32)
        for column in order:
            signals[:, column] = reader.volume(int(volumes[column])).T[mask.T]
        yield signals
        return
    step = max(1, block_bytes // (4 * len(volumes)))
    with scratch_file(scratch) as file:
        for column in order:
            file.write(reader.volume(int(volumes[column])).T[mask.T].data)
        for low in range(0, count, step):
            block = np.empty((min(step, count - low), len(volumes)), np.float32)
            for row, column in enumerate(order):
                file.seek(4 * (row * count + low))
                block[:, column] = np.fromfile(file, np.float32, len(block))
            yield block


def _apply(
    work: Work, signals: NDArray[np.float32], target: NDArray[np.float32], part: range, chunk: int
) -> None:
    for low in part[::chunk]:
        here = slice(low, min(low + chunk, part.stop))
        target[here] = work(signals[here])


def _cpus() -> int:
    # CPUs available to this process, which a batch system often limits; unknown on macOS
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _wait(pending: list[Future[None]]) -> None:
    for future in pending:
        future.result()
