"""The brain mask of a run, on the grid of its input and on the super-resolved one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.diffusion.mask import brain_mask, carry_mask
from bids_sr.errors import InputError
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader, load_volume, write_image


@frozen
class RunMasks:
    """Brain masks of one run, on disk."""

    input: Path
    """On the grid of the input, uint8."""
    output: Path
    """On the super-resolved grid, uint8."""
    given: bool
    """It came with the dataset; otherwise it was found on the b0s."""


def make_masks(run: DwiRun, grid: SliceGrid, *, input_mask: Path, output_mask: Path) -> RunMasks:
    """Take the mask that belongs to a run, or find one, and bring it to both grids.

    Parameters
    ----------
    run : DwiRun
        The input.
    grid : SliceGrid
        Its grid and factor.
    input_mask, output_mask : pathlib.Path
        Where the masks are written.

    Returns
    -------
    RunMasks

    Raises
    ------
    InputError
        If the mask that came with the dataset has no voxel inside the image, or
        the image has no voxel above zero.
    """
    shape, affine = grid.high_resolution
    if run.files.mask is None:
        source, source_affine = _find(run), grid.affine
    else:
        values, source_affine = load_volume(run.files.mask)
        source = values > 0
    with DwiReader(run.files.dwi) as reader:
        for path, target, target_affine in (
            (input_mask, grid.shape, grid.affine),
            (output_mask, shape, affine),
        ):
            carried = carry_mask(source, source_affine, target, target_affine)
            _check(carried, run)
            write_image(path, carried, target_affine, like=reader.header)
    return RunMasks(input_mask, output_mask, run.files.mask is not None)


def mean_b0(run: DwiRun) -> NDArray[np.float32]:
    """Return the mean b0 of a run, or the mean of all volumes if it has no b0.

    Parameters
    ----------
    run : DwiRun
        Read volume by volume.

    Returns
    -------
    numpy.ndarray
        (x, y, z), float32.
    """
    b0s = np.flatnonzero(run.gradients.is_b0)
    indices = b0s if b0s.size else np.arange(run.gradients.n_volumes)
    total = np.zeros(run.shape[:3], dtype=np.float32)
    with DwiReader(run.files.dwi) as reader:
        for index in indices:
            total += reader.volume(int(index))
    return (total / len(indices)).astype(np.float32)


def _find(run: DwiRun) -> NDArray[np.bool_]:
    with DwiReader(run.files.dwi) as reader:
        zooms = reader.zooms
    try:
        return brain_mask(mean_b0(run), zooms)
    except InputError as error:
        raise InputError(error.problem, file=run.files.dwi, remedy=error.remedy) from error


def _check(mask: NDArray[np.bool_], run: DwiRun) -> None:
    if not mask.any():
        raise InputError(
            f"has no voxel inside the image {run.files.dwi}.",
            file=run.files.mask or run.files.dwi,
            remedy="Give the mask that belongs to the image.",
        )


def load_mask(path: Path) -> NDArray[np.bool_]:
    """Return a mask file as (x, y, z), bool."""
    return load_volume(path)[0] > 0
