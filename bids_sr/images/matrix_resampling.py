r"""Resampling a zero-filled scan to its acquired matrix.

Both grids span the same field of view: pixel `j` of `m` lies at
:math:`x_j = (j + 1/2) n / m - 1/2` of the `n` stored ones. The scanner reconstructed
complex slices, padded their k-space and took the magnitude; at its acquired matrix it would have
given that same magnitude, at fewer points. So the slice is not cropped in k-space, which would
remove what the magnitude operation spread beyond the band, but sampled at those points. Where half
of the stored band or less was measured, :math:`|z|^2` lies within the stored band, and its
interpolation by sinc is exact; beyond, :math:`|z|` itself is interpolated, which is the more
accurate the finer it is stored.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.images.grid import from_slices, to_slices
from bids_sr.images.reader import DwiReader
from bids_sr.images.writer import VolumeWriter


def at_matrix(slices: NDArray[np.float32], sides: tuple[int, int]) -> NDArray[np.float32]:
    """Return zero-filled magnitude slices as the scanner would give them at the acquired matrix.

    Parameters
    ----------
    slices : numpy.ndarray
        (..., a, b), magnitude; signed ones, with negative values, are only interpolated.
    sides : tuple of int
        Acquired along a and b; none larger than stored.

    Returns
    -------
    numpy.ndarray
        (..., *sides), float32.
    """
    rows, columns = slices.shape[-2:]
    if slices.min(initial=0) < 0:  # phase-corrected: linear, with as much signal below zero
        left, right = (
            _sinc_matrix(before, side) if side < before else np.eye(before)
            for before, side in zip((rows, columns), sides, strict=True)
        )
        return (left @ slices.astype(np.float64) @ right.T).astype(np.float32)
    made = _along_rows(slices.astype(np.float64), rows, sides[0])
    made = _along_rows(np.swapaxes(made, -1, -2), columns, sides[1])
    return np.swapaxes(made, -1, -2).astype(np.float32)


def zero_fill(
    slices: NDArray[np.complexfloating], sides: tuple[int, int]
) -> NDArray[np.complex128]:
    """Pad the k-space of complex slices, as scanners that interpolate do; no magnitude yet.

    Parameters
    ----------
    slices : numpy.ndarray
        (..., a, b), complex.
    sides : tuple of int
        Along a and b; none smaller.

    Returns
    -------
    numpy.ndarray
        (..., *sides), of the same field of view and intensity.
    """
    left, right = (
        _waves(_places(side, before), before) @ _waves(np.arange(before), before).conj().T / before
        for side, before in zip(sides, slices.shape[-2:], strict=True)
    )
    return np.asarray(left @ slices @ right.T)


def acquired_affine(
    affine: NDArray[np.float64], stored: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the affine of the grid of another matrix with the same field of view.

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), of the stored grid.
    stored, shape : tuple of int
        Voxels along the three voxel axes, before and after.
    """
    step = np.array([n / m for n, m in zip(stored, shape, strict=True)])
    to_stored = np.diag([*step, 1.0])
    to_stored[:3, 3] = (step - 1) / 2
    return affine @ to_stored


def acquired_shape(
    stored: tuple[int, int, int], slice_axis: int, sides: tuple[int, int]
) -> tuple[int, int, int]:
    """Return the shape of a volume with other in-plane sides."""
    in_plane = iter(sides)
    x, y, z = (n if axis == slice_axis else next(in_plane) for axis, n in enumerate(stored))
    return x, y, z


def write_at_matrix(
    reader: DwiReader,
    out: Path,
    slice_axis: int,
    sides: tuple[int, int],
    *,
    whole: bool = False,
) -> None:
    """Write a zero-filled series at its acquired matrix, volume by volume.

    Parameters
    ----------
    reader : DwiReader
        The series.
    out : pathlib.Path
        Float32; uncompressed if it ends in ``.nii``.
    slice_axis : int
        Voxel axis across the slices.
    sides : tuple of int
        Acquired along the in-plane axes, ascending.
    whole : bool
        Refuse NaN and infinite voxels.

    Raises
    ------
    InputError, OutputError
        If the series cannot be read, or the file cannot be written.
    """
    stored = reader.shape[:3]
    shape = acquired_shape(stored, slice_axis, sides)
    affine = acquired_affine(reader.affine, stored, shape)
    count = reader.shape[3]
    with VolumeWriter(out, (*shape, count), affine, like=reader.meta) as writer:
        for index in range(count):
            slices = np.ascontiguousarray(to_slices(reader.volume(index), slice_axis))
            made = np.stack([at_matrix(image, sides) for image in slices])
            writer.write(from_slices(made, slice_axis))
            if whole:
                reader.refuse_nonfinite()


def _along_rows(slices: NDArray[np.float64], stored: int, side: int) -> NDArray[np.float64]:
    if side == stored:
        return slices
    matrix = _sinc_matrix(stored, side)
    if 2 * side <= stored:
        return np.sqrt(np.maximum(matrix @ slices**2, 0))
    return np.abs(matrix @ slices)


@lru_cache(maxsize=16)
def _sinc_matrix(stored: int, side: int) -> NDArray[np.float64]:
    """Return the matrix of sinc interpolation to the acquired pixels, (side, stored)."""
    frequencies = np.arange(1, (stored - 1) // 2 + 1)
    distance = _places(side, stored)[:, None] - np.arange(stored)
    kernel = 1 + 2 * np.cos(2 * np.pi * distance[..., None] * frequencies / stored).sum(-1)
    if stored % 2 == 0:
        kernel += np.cos(np.pi * distance)
    return np.asarray(kernel / stored)


def _places(side: int, pixels: int) -> NDArray[np.float64]:
    """Return the centres of `side` pixels in units of `pixels` over the same field of view."""
    return (np.arange(side) + 0.5) * pixels / side - 0.5


def _waves(places: NDArray[np.float64], pixels: int) -> NDArray[np.complex128]:
    return np.exp(2j * np.pi * np.outer(places, np.arange(pixels) - pixels // 2) / pixels)
