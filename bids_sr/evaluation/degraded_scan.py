"""Degrading a scan to 1/f of its band, and interpolating it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from attrs import evolve, frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun, log_warnings
from bids_sr.bids.training_runs import find_training_runs
from bids_sr.diffusion.run_masks import brain_of
from bids_sr.errors import InputError, UsageError
from bids_sr.evaluation.defaults import RIM
from bids_sr.evaluation.references import Reference, make_reference
from bids_sr.images.band import keep_band
from bids_sr.images.grid import SliceGrid, from_slices, to_slices
from bids_sr.images.kspace import kspace_downsample
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.images.runs import open_run
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.images.zero_filling import to_acquired
from bids_sr.quality.fidelity import erode
from bids_sr.quality.interpolation import interpolate

_LOG = logging.getLogger("bids_sr")


@frozen(eq=False)
class DegradedScan:
    """A degraded scan and its ground truth."""

    truth: Path
    """The reference, cropped to multiples of the factor."""
    lr: DwiRun
    """The scan at 1/f of its band."""
    grid: SliceGrid
    """Grid of the low-resolution scan."""
    mask: NDArray[np.bool_]
    """Eroded brain mask on the grid of the truth."""
    signed: bool = False
    """Whether the scan is signed: no magnitude is taken, and negative values are kept."""
    reference: str = "scan"
    """The kind of truth, one of `bids_sr.evaluation.defaults.REFERENCES`."""


def make_degraded_scan(
    run: DwiRun,
    factor: int,
    step: int,
    folder: Path,
    rim: int = RIM,
    reference: str = "scan",
    work: Path | None = None,
    band: tuple[float, float] = (1.0, 1.0),
) -> DegradedScan:
    """Degrade a run: crop each slice in k-space and take the magnitude.

    Parameters
    ----------
    run : DwiRun
        The scan.
    factor : int
        In-plane factor.
    step : int
        Keep every `step`-th slice.
    folder : pathlib.Path
        Folder for its files.
    rim : int
        In-plane erosion of the brain mask, voxels.
    reference : str
        One of `bids_sr.evaluation.defaults.REFERENCES`.
    work : pathlib.Path, optional
        Folder that caches the denoised scan between calls; default: `folder`.
    band : tuple of float
        Share of the low-resolution band to keep, along both in-plane axes:
        less than 1 simulates a scanner that interpolates.

    Returns
    -------
    DegradedScan

    Raises
    ------
    InputError
        If the run cannot be read, or no brain voxels are left to score.
    """
    run = to_acquired(run, folder / "acquired.nii", whole=True)
    with DwiReader(run.files.dwi) as reader:
        axis = slice_axis_of(run, reader.meta)
        shape = tuple(
            -(-n // step) if a == axis else n // factor * factor
            for a, n in enumerate(reader.shape[:3])
        )
        cut = tuple(slice(None, None, step) if a == axis else slice(n) for a, n in enumerate(shape))
        affine = reader.affine @ np.diag([*(step if a == axis else 1 for a in range(3)), 1])
        brain = brain_of(run)
        mask = erode(brain[cut], rim, axis)
        if not mask.any():
            raise InputError(
                "has no brain left to score on.",
                file=run.image,
                remedy="Give a smaller --rim or --slices-step, or another run.",
            )
        scans = make_reference(run, brain, reference, work or folder, cut)
        grid = SliceGrid(*coarse_grid(shape, affine, axis, factor), axis, factor)
        paths = folder / "truth.nii.gz", folder / "lr.nii.gz"
        _write_trial(scans, grid, reader, paths, band)
    x, y, z = grid.shape
    files = evolve(run.files, dwi=paths[1], mask=None, name=run.files.label)
    lr = DwiRun(files, run.gradients, (x, y, z, run.shape[3]))
    return DegradedScan(paths[0], lr, grid, mask, reference=reference)


def choose_run(folder: Path, participant: str, label: str | None = None) -> DwiRun:
    """Open the run to score on.

    Parameters
    ----------
    folder : pathlib.Path
        BIDS dataset, or unpacked HCP subjects.
    participant : str
        Without ``sub-``.
    label : str, optional
        Label of the run if there are several; default: the first, with a warning.

    Returns
    -------
    DwiRun

    Raises
    ------
    UsageError, InputError
        If there is no such run, or it cannot be read.
    """
    found = find_training_runs(folder, (participant,))
    good = [files for files in found if not files.refused]
    for files in found if label is None and good else ():
        if files.problem and files.refused:
            _LOG.warning("Left aside: %s", files.problem.error())
    found = good if label is None and good else found
    labels = [files.label for files in found]
    if label is not None and label not in labels:
        raise UsageError(f"There is no run {label}.", remedy=f"Give {' or '.join(labels)}.")
    if label is None and len(labels) > 1:
        _LOG.warning("Of %s the first is taken; --run chooses.", ", ".join(labels))
    run = open_run(found[labels.index(label) if label else 0])
    log_warnings(run)
    return run


def _write_trial(
    scans: Reference,
    grid: SliceGrid,
    reader: DwiReader,
    paths: tuple[Path, Path],
    band: tuple[float, float],
) -> None:
    (shape, affine), volumes = grid.high_resolution, scans.truth.shape[3]
    with (
        VolumeWriter(paths[0], (*shape, volumes), affine, like=reader.meta) as fine,
        VolumeWriter(paths[1], (*grid.shape, volumes), grid.affine, like=reader.meta) as coarse,
    ):
        for index in range(volumes):
            fine.write(scans.truth[..., index])
            coarse.write(degrade(scans.scanned[..., index], grid, band))


def degrade(
    volume: NDArray[np.float32],
    grid: SliceGrid,
    band: tuple[float, float] = (1.0, 1.0),
    *,
    signed: bool = False,
) -> NDArray[np.float32]:
    """Reduce the slices of a volume to 1/f of their band; magnitude, unless signed.

    Parameters
    ----------
    volume : numpy.ndarray
        (x, y, z), on the high-resolution grid of `grid`. Not modified.
    grid : SliceGrid
        Grid of the low-resolution volume.
    band : tuple of float
        Share of the low-resolution band to keep, along both in-plane axes.
    signed : bool
        Whether the sign is kept.

    Returns
    -------
    numpy.ndarray
        With the shape of `grid`; nonnegative unless signed.
    """
    slices = np.ascontiguousarray(to_slices(volume, grid.slice_axis))
    small = kspace_downsample(torch.from_numpy(slices), grid.factor)
    small = keep_band(small, band)
    return from_slices((small if signed else small.abs()).numpy(), grid.slice_axis)


def coarse_grid(
    shape: tuple[int, ...], affine: NDArray[np.float64], axis: int, factor: int
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return the grid whose `SliceGrid.high_resolution` is the one given.

    Parameters
    ----------
    shape : tuple of int
        (x, y, z), multiples of the factor in plane.
    affine : numpy.ndarray
        (4, 4), voxel to mm.
    axis : int
        Voxel axis across the slices.
    factor : int
        In-plane factor.

    Returns
    -------
    tuple
        Shape and affine of the low-resolution grid.
    """
    steps = [1 if a == axis else factor for a in range(3)]
    to_fine = np.diag([*map(float, steps), 1.0])
    to_fine[:3, 3] = [(step - 1) / 2 for step in steps]
    x, y, z = (n // step for n, step in zip(shape, steps, strict=True))
    return (x, y, z), affine @ to_fine


def interpolated(degraded: DegradedScan, method: str, out: Path) -> None:
    """Write the interpolated low-resolution scan, clipped at zero where the app does so.

    Parameters
    ----------
    degraded : DegradedScan
        The scan.
    method : str
        One of `bids_sr.quality.interpolation.METHODS`.
    out : pathlib.Path
        4D image on the grid of the truth.
    """
    with DwiReader(degraded.lr.files.dwi) as reader:
        shape, affine = degraded.grid.high_resolution
        with VolumeWriter(out, (*shape, reader.shape[3]), affine, like=reader.meta) as writer:
            for index in range(reader.shape[3]):
                fine = interpolate(
                    reader.volume(index), degraded.grid.factor, method, degraded.grid.slice_axis
                )
                writer.write(fine if degraded.signed else np.maximum(fine, 0))
