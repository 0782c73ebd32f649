"""The first pass over a series: its scale, shared images, and measured band."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from attrs import evolve, field, frozen

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.errors import InputError
from bids_sr.images.band import BAND_VOLUMES, effective_band
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.hot_voxels import HotVoxels, find_hot_voxels
from bids_sr.images.intensity import robust_scale
from bids_sr.images.nifti import DwiReader
from bids_sr.images.series_checks import SeriesChecks

_DARKER = 0.8
"""Minimum brightness of a b0 relative to a weighted volume of its series."""
_ALIKE = 2.0
"""Maximum ratio of brightness between b0s of one series, before a warning."""


class Shared(Protocol):
    """Images shared by the volumes of a series, collected volume by volume."""

    def add(self, index: int, volume: np.ndarray) -> None:
        """Add a volume, (x, y, z) in units of the series' scale."""


@frozen(eq=False)
class Gathered:
    """Result of the first pass."""

    scale: float
    """Intensity scaled to 1 for the network, in units of the input."""
    shared: Shared
    """Shared images, with all volumes added, in units of the series' scale."""
    largest: float = 0.0
    """Largest value in the network input, in units of the input."""
    hot: Mapping[int, HotVoxels] = field(factory=dict)
    """Voxels hidden from the network, by volume."""
    sigma: float = 0.0
    """Noise of a signed series, in units of the input; 0 if it is unsigned."""
    signed: bool = False
    """Whether the series is signed."""
    warnings: tuple[str, ...] = ()
    """Warnings, as full sentences."""

    def seen(self, index: int, volume: np.ndarray) -> np.ndarray:
        """Return the network's version of a volume: usually the volume itself."""
        volume = self.hot[index].taken_out(volume) if index in self.hot else volume
        return np.hypot(volume, np.float32(self.sigma)) if self.sigma else volume


def gather(
    reader: DwiReader,
    run: DwiRun,
    grid: SliceGrid,
    share: Callable[[], Shared],
    checks: SeriesChecks,
    *,
    signed: bool | None = None,
) -> Gathered:
    """Find the run's intensity scale and shared images, in one pass.

    A network is affected by the whole slice: its kernels are divided by the slice's
    level, and the images shared by directions are means over volumes. One extreme voxel
    would spoil the slice in all volumes of its shell, so such voxels are removed from
    the network input (`bids_sr.images.hot_voxels`). For a signed series the input is a
    magnitude, as in training: the root of the squared signal, which is the real part,
    plus the mean square of the imaginary part's noise. Interpolation and data
    consistency use the volume unchanged.

    Parameters
    ----------
    reader : DwiReader
        The series.
    run : DwiRun
        Provides the gradient table.
    grid : SliceGrid
        Orientation of its slices.
    share : callable
        Creates the collector of shared images; called again for a second pass.
    checks : SeriesChecks
        Checks applied to each volume.
    signed : bool, optional
        Whether the series is signed; default: as the checks find.

    Returns
    -------
    Gathered
        Its scale is from the first b0 that is not empty, or the first volume of the lowest
        shell without one; where that b0 is not as bright as the others, from another, in a
        second pass.

    Raises
    ------
    InputError
        If the series has no volume to take the scale from.
    """
    chosen, scale = _series_scale(reader, run, grid)
    found, bright = _pass(reader, run, grid, share(), scale, checks)
    other = _better_b0(bright, run.gradients, chosen)
    warnings: tuple[str, ...] = ()
    if other is not None:
        ratio = bright[chosen] / bright[other]
        warnings = (
            f"Volume {chosen} (b = 0) is {ratio:.2g} times as bright as volume {other};"
            " intensities are scaled by the latter.",
        )
        volume = reader.volume(other)
        scale = robust_scale(find_hot_voxels(volume, grid.slice_axis).taken_out(volume))
    signed = checks.signed if signed is None else signed
    sigma = checks.sigma if signed else 0.0
    if other is not None or sigma:
        found, _ = _pass(reader, run, grid, share(), scale, SeriesChecks(), sigma)
    return evolve(found, signed=signed, warnings=warnings)


def _pass(
    reader: DwiReader,
    run: DwiRun,
    grid: SliceGrid,
    shared: Shared,
    scale: float,
    checks: SeriesChecks,
    sigma: float = 0.0,
) -> tuple[Gathered, list[float]]:
    """Return the shared images, and the brightness of each volume."""
    hot: dict[int, HotVoxels] = {}
    bright: list[float] = []
    largest = 0.0
    found = Gathered(scale, shared, hot=hot, sigma=sigma)
    for index in range(run.gradients.n_volumes):
        volume = reader.volume(index)
        checks.add(index, volume)
        voxels = find_hot_voxels(volume, grid.slice_axis)
        bright.append(voxels.bright)
        if voxels.count:
            hot[index] = voxels
        volume = found.seen(index, volume)
        largest = max(largest, float(volume.max()))
        shared.add(index, volume / np.float32(scale))
    return evolve(found, largest=largest), bright


def _better_b0(bright: Sequence[float], gradients: GradientTable, chosen: int) -> int | None:
    """Return a better b0 for the scale than the one chosen, if there is one.

    This is the b0 of median brightness among those about as bright as weighted volumes or
    brighter, since some b0s are dummy scans or lack signal.
    """
    levels = np.asarray(bright)
    weighted = levels[~gradients.is_b0]
    least = _DARKER * np.median(weighted) if weighted.size else 0.0
    b0s = np.flatnonzero(gradients.is_b0 & (levels > 0) & (levels >= least))
    if not b0s.size:
        return None
    middle = int(b0s[np.argsort(levels[b0s], kind="stable")[(b0s.size - 1) // 2]])
    apart = max(levels[chosen], levels[middle]) > _ALIKE * min(levels[chosen], levels[middle])
    return middle if apart else None


def _series_scale(reader: DwiReader, run: DwiRun, grid: SliceGrid) -> tuple[int, float]:
    """Return the initial volume for the scale, and the scale."""
    gradients = run.gradients
    b0s = np.flatnonzero(gradients.is_b0)
    for index in map(int, b0s if b0s.size else [np.argmin(gradients.bvals)]):
        volume = reader.volume(index)
        if volume.max() > 0:
            hot = find_hot_voxels(volume, grid.slice_axis)
            return index, robust_scale(hot.taken_out(volume))
    kind = "b = 0 volume" if b0s.size else "volume of the lowest b-value"
    raise InputError(
        f"holds no positive value in any {kind}, so its intensity scale is unknown.",
        file=run.image,
        remedy="Convert it again from DICOM.",
    )


def measured_band(reader: DwiReader, grid: SliceGrid) -> tuple[float, float]:
    """Return the measured share of the input's band along both in-plane axes.

    Parameters
    ----------
    reader : DwiReader
        The series; its first volumes are read.
    grid : SliceGrid
        Orientation of its slices.

    Returns
    -------
    tuple of float
        As returned by `bids_sr.images.band.effective_band`.
    """
    count = min(BAND_VOLUMES, reader.shape[3])
    return effective_band(to_slices(reader.volume(i), grid.slice_axis) for i in range(count))
