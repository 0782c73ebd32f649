"""The brain mask of a run, on the input grid and on the super-resolved one."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.diffusion.given_mask import place_mask, read_mask
from bids_sr.diffusion.mask import brain_mask, carry_mask
from bids_sr.errors import InputError
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader, load_volume, write_image

_LOG = logging.getLogger("bids_sr")


@frozen
class RunMasks:
    """Brain masks of one run, on disk."""

    input: Path
    """On the grid of the input, uint8."""
    output: Path
    """On the super-resolved grid, uint8."""
    given: bool
    """Whether it was provided with the dataset; otherwise it was computed from the b0s."""
    warnings: tuple[str, ...] = ()
    """Warnings about a mask that was provided, as full sentences."""


def make_masks(run: DwiRun, grid: SliceGrid, *, input_mask: Path, output_mask: Path) -> RunMasks:
    """Read the mask of a run, or compute one, and resample it to both grids.

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
        If the mask provided with the dataset cannot be used (`given_mask`), or the image has no
        voxel above zero.
    """
    shape, affine = grid.high_resolution
    warnings: tuple[str, ...] = ()
    if run.files.mask is None:
        small = source = _find(run)
        source_affine = grid.affine
    else:
        given = read_mask(run.files.mask)
        small, warnings = place_mask(given, grid.shape, grid.affine, run.image)
        source, source_affine = given.inside, given.affine
    for warning in warnings:
        _LOG.warning("%s: %s", run.image, warning)
    with DwiReader(run.files.dwi) as reader:
        write_image(input_mask, small, grid.affine, like=reader.meta)
        large = carry_mask(source, source_affine, shape, affine)
        write_image(output_mask, large, affine, like=reader.meta)
    return RunMasks(input_mask, output_mask, run.files.mask is not None, warnings)


def brain_of(run: DwiRun, *, quiet: bool = False) -> NDArray[np.bool_]:
    """Return the brain mask of a run on its own grid: as provided, or computed from the b0s.

    Parameters
    ----------
    run : DwiRun
        The input; warnings about its mask are logged.
    quiet : bool
        Do not log.

    Returns
    -------
    numpy.ndarray
        (x, y, z), bool.

    Raises
    ------
    InputError
        As in `make_masks`.
    """
    if run.files.mask is None:
        return _find(run, quiet=quiet)
    with DwiReader(run.files.dwi) as reader:
        affine = reader.affine
    inside, warnings = place_mask(read_mask(run.files.mask), run.shape[:3], affine, run.image)
    for warning in () if quiet else warnings:
        _LOG.warning("%s: %s", run.image, warning)
    return inside


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


def _find(run: DwiRun, *, quiet: bool = False) -> NDArray[np.bool_]:
    with DwiReader(run.files.dwi) as reader:
        zooms = reader.zooms
    try:
        return brain_mask(mean_b0(run), zooms, quiet=quiet)
    except InputError as error:
        raise InputError(error.problem, file=run.image, remedy=error.remedy) from error


def load_mask(path: Path) -> NDArray[np.bool_]:
    """Return a mask that this program wrote as (x, y, z), bool."""
    return load_volume(path)[0] > 0
