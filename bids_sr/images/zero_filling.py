"""Resampling zero-filled runs to their acquired matrix."""

from __future__ import annotations

import logging
from pathlib import Path

from attrs import evolve

from bids_sr.bids.dwi_run import DwiRun, StoredGrid
from bids_sr.errors import InputError
from bids_sr.images.acquired_matrix import GIVEN, SIDECAR, SPECTRUM, AcquiredMatrix, find_matrix
from bids_sr.images.band import BAND_VOLUMES
from bids_sr.images.grid import in_plane_axes, to_slices
from bids_sr.images.matrix_resampling import acquired_shape, write_at_matrix
from bids_sr.images.reader import DwiReader
from bids_sr.images.slice_axis import slice_axis_of

_LOG = logging.getLogger("bids_sr")

_SMALLEST = 8
"""Fraction of a stored side below which a given one must be a typing error."""


def to_acquired(
    run: DwiRun,
    out: Path,
    *,
    slice_axis: int | None = None,
    given: tuple[int, int] | None = None,
    whole: bool = False,
    keep: bool = False,
) -> DwiRun:
    """Return a run at its acquired matrix: itself, or with a resampled copy of its series.

    Parameters
    ----------
    run : DwiRun
        As stored. One that was already resampled is returned unchanged.
    out : pathlib.Path
        Where the copy is written, volume by volume, if one is needed.
    slice_axis : int, optional
        Voxel axis across the slices; default: determined.
    given : tuple of int, optional
        The acquired sides along the in-plane axes, if known; default: determined.
    whole : bool
        Refuse a series with NaN or infinite voxels.
    keep : bool
        Use an existing copy instead of writing it again.

    Returns
    -------
    DwiRun
        Its files keep their name, gradients, mask and metadata; `stored` describes the stored grid.

    Raises
    ------
    InputError
        If the series cannot be read, or the given sides do not fit it.
    OutputError
        If the copy cannot be written.
    """
    if run.stored is not None:
        return run
    with DwiReader(run.files.dwi) as reader:
        axis, matrix = look(reader, run, slice_axis=slice_axis, given=given)
        if not matrix.is_filled:
            return run
        _LOG.info("%s: %s", run.files.label, describe(matrix, reader.zooms, axis))
        if not (keep and out.is_file()):
            write_at_matrix(reader, out, axis, matrix.sides, whole=whole)
        x, y, z = acquired_shape(reader.shape[:3], axis, matrix.sides)
        stored = _stored(reader, run, axis, matrix)
    files = evolve(run.files, dwi=out, name=run.files.label)
    return evolve(run, files=files, shape=(x, y, z, run.shape[3]), stored=stored)


def expect(
    run: DwiRun, *, slice_axis: int | None = None, given: tuple[int, int] | None = None
) -> DwiRun:
    """Predict the result of `to_acquired` from a run's first volume; nothing is written.

    Parameters
    ----------
    run, slice_axis, given
        As in `to_acquired`.

    Returns
    -------
    DwiRun
        With the expected shape, and `stored`; its series is the stored one.

    Raises
    ------
    InputError
        If the series cannot be read, or the given sides do not fit it.
    """
    with DwiReader(run.files.dwi) as reader:
        axis, matrix = look(reader, run, slice_axis=slice_axis, given=given, volumes=1)
        if not matrix.is_filled:
            return run
        x, y, z = acquired_shape(reader.shape[:3], axis, matrix.sides)
        return evolve(run, shape=(x, y, z, run.shape[3]), stored=_stored(reader, run, axis, matrix))


def look(
    reader: DwiReader,
    run: DwiRun,
    *,
    slice_axis: int | None = None,
    given: tuple[int, int] | None = None,
    volumes: int = BAND_VOLUMES,
) -> tuple[int, AcquiredMatrix]:
    """Find a run's slice axis and acquired matrix.

    Parameters
    ----------
    reader : DwiReader
        Its series.
    run : DwiRun
        Its metadata.
    slice_axis, given : optional
        As in `to_acquired`.
    volumes : int
        Number of first volumes to use.

    Returns
    -------
    axis : int
    matrix : AcquiredMatrix

    Raises
    ------
    InputError
        As in `to_acquired`.
    """
    axis = slice_axis_of(run, reader.meta, slice_axis)
    rows, columns = in_plane_axes(axis)
    if given is not None:
        stored = (reader.shape[rows], reader.shape[columns])
        _check(given, stored, axis, run)
        return axis, AcquiredMatrix(given, stored, (GIVEN, GIVEN))
    count = min(volumes, reader.shape[3])
    first = (to_slices(reader.volume(index), axis) for index in range(count))
    return axis, find_matrix(first, run.files.sidecar, (rows, columns), reader.zooms)


def describe(matrix: AcquiredMatrix, zooms: tuple[float, float, float], slice_axis: int) -> str:
    """Describe how a zero-filled run was stored and acquired, and how that is known."""
    axes = in_plane_axes(slice_axis)
    sizes = [zooms[axis] for axis in axes]
    stored_and = zip(sizes, matrix.stored, matrix.sides, strict=True)
    acquired = [size * before / after for size, before, after in stored_and]
    why = next(_WHY[known] for known in (GIVEN, SIDECAR, SPECTRUM) if known in matrix.evidence)
    return (
        f"The scan is stored with {_by(matrix.stored)} pixels of {_mm(sizes)} mm in plane (axes"
        f" {' and '.join('ijk'[axis] for axis in axes)}), but was acquired with"
        f" {_by(matrix.sides)} of {_mm(acquired)} mm ({why}): the rest of k-space was filled with"
        " zeros. It was first resampled to its acquired matrix, to which the factor applies."
    )


def _stored(reader: DwiReader, run: DwiRun, axis: int, matrix: AcquiredMatrix) -> StoredGrid:
    return StoredGrid(
        path=run.files.dwi,
        shape=reader.shape[:3],
        zooms=reader.zooms,
        slice_axis=axis,
        note=describe(matrix, reader.zooms, axis),
        warnings=reader.warnings,
        nonfinite=dict(reader.nonfinite),
    )


_WHY = {
    GIVEN: "according to --input-matrix",
    SIDECAR: "according to its sidecar and its spectrum",
    SPECTRUM: "according to its spectrum",
}


def _check(given: tuple[int, int], stored: tuple[int, int], axis: int, run: DwiRun) -> None:
    if all(side <= before <= _SMALLEST * side for side, before in zip(given, stored, strict=True)):
        return
    rows, columns = ("ijk"[number] for number in in_plane_axes(axis))
    raise InputError(
        f"is stored with {_by(stored)} pixels in plane (axes {rows} and {columns}), which is not"
        f" 1 to {_SMALLEST} times --input-matrix {_by(given)}.",
        file=run.files.dwi,
        remedy=f"Give the acquired sides along {rows} and {columns}, or process this run alone.",
    )


def _by(sides: tuple[int, int]) -> str:
    return "x".join(map(str, sides))


def _mm(sizes: list[float]) -> str:
    return "x".join(f"{size:.2f}" for size in sizes)
