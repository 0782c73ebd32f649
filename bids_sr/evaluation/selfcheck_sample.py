"""The part of a scan used by the self-check, downsampled; and with its noise restored."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.diffusion.ensemble_sd import subset
from bids_sr.evaluation.degraded_scan import DegradedScan, coarse_grid
from bids_sr.evaluation.sampling import MAX_NOISY_SLICES, few_volumes, middle_slices
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.nifti import DwiReader, VolumeWriter


@frozen(eq=False)
class Sample:
    """The part of a scan used by the self-check."""

    series: DwiRun
    """Its selected slices downsampled, all volumes, since the network uses all of them."""
    volumes: list[int]
    """Volumes that are super-resolved and compared."""
    degraded: DegradedScan
    """Those volumes alone, coarse and fine."""


def with_noise(sample: Sample, sigma: float, folder: Path, *, gapless: bool) -> Sample:
    """Restore the noise removed by coarsening, in a few slices and volumes.

    Averaging f x f pixels leaves 1/f of the standard deviation. The difference is added to
    real and imaginary part before the magnitude, so that the coarse scan is as noisy as
    the scan was; no magnitude is taken of a signed scan. The noise is seeded with the run's
    name, so it is the same each time.

    Parameters
    ----------
    sample : Sample
        The sample without added noise.
    sigma : float
        Standard deviation of the scan's noise.
    folder : pathlib.Path
        Folder for the files.
    gapless : bool
        Whether slices must be adjacent (`bids_sr.evaluation.sampling.middle_slices`).

    Returns
    -------
    Sample
        At most `MAX_NOISY_SLICES` slices, and the volumes that ``auto`` would choose.
    """
    old, run = sample.degraded, sample.series
    axis, factor = old.grid.slice_axis, old.grid.factor
    occupied = np.asarray(to_slices(old.mask, axis).any(axis=(1, 2)))
    across = middle_slices(occupied, gapless=gapless, most=MAX_NOISY_SLICES)
    cut = tuple(across if a == axis else slice(None) for a in range(3))
    mask = old.mask[cut]
    grid = SliceGrid(
        *coarse_grid(mask.shape, cut_affine(old.grid.high_resolution[1], cut), axis, factor),
        axis,
        factor,
    )
    volumes = [index for index in few_volumes(run.gradients) if index in sample.volumes]
    paths = [folder / f"noisy-{name}.nii" for name in ("truth", "coarse", "series")]
    _write_fine(old.truth, [sample.volumes.index(i) for i in volumes], cut, grid, paths[0])
    generator = np.random.default_rng(zlib.crc32(run.files.label.encode()))
    deviation = sigma * np.sqrt(1 - factor**-2)
    with (
        DwiReader(run.files.dwi) as reader,
        _writer(paths[1], grid, len(volumes), reader) as few,
        _writer(paths[2], grid, run.shape[3], reader) as all_of_them,
    ):
        for index in range(run.shape[3]):
            noisy = _noisy(reader.volume(index)[cut], deviation, generator, signed=old.signed)
            all_of_them.write(noisy)
            if index in volumes:
                few.write(noisy)
    x, y, z = grid.shape
    chosen = DwiRun(
        evolve(run.files, dwi=paths[1]), subset(run.gradients, volumes), (x, y, z, len(volumes))
    )
    whole = DwiRun(evolve(run.files, dwi=paths[2]), run.gradients, (x, y, z, run.shape[3]))
    return Sample(whole, volumes, DegradedScan(paths[0], chosen, grid, mask, signed=old.signed))


def cut_affine(affine: NDArray[np.float64], cut: tuple[slice, ...]) -> NDArray[np.float64]:
    """Return the affine of a part of an image.

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), of the whole.
    cut : tuple of slice
        Voxels of x, y and z that are kept.

    Returns
    -------
    numpy.ndarray
        (4, 4).
    """
    to_whole = np.diag([*(float(part.step or 1) for part in cut), 1.0])
    to_whole[:3, 3] = [part.start or 0 for part in cut]
    return affine @ to_whole


def _write_fine(
    path: Path, places: list[int], cut: tuple[slice, ...], grid: SliceGrid, out: Path
) -> None:
    shape, affine = grid.high_resolution
    with (
        DwiReader(path) as reader,
        VolumeWriter(out, (*shape, len(places)), affine, like=reader.meta) as writer,
    ):
        for place in places:
            writer.write(reader.volume(place)[cut])


def _writer(path: Path, grid: SliceGrid, volumes: int, like: DwiReader) -> VolumeWriter:
    return VolumeWriter(path, (*grid.shape, volumes), grid.affine, like=like.meta)


def _noisy(
    volume: NDArray[np.float32],
    deviation: float,
    generator: np.random.Generator,
    *,
    signed: bool,
) -> NDArray[np.float32]:
    """Add noise: Rician for a magnitude, Gaussian for a signed scan."""
    real, imaginary = (
        np.float32(deviation) * generator.standard_normal(volume.shape, np.float32)
        for _ in range(2)
    )
    noisy: NDArray[np.float32] = volume + real if signed else np.hypot(volume + real, imaginary)
    return noisy
