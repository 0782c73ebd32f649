"""Super-resolution of a series by a network that processes each slice once per shell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from bids_sr.images.grid import SliceGrid, from_slices, to_slices
from bids_sr.images.kspace import sinc_upsample
from bids_sr.images.nifti import DwiReader
from bids_sr.superres.allocator import give_back_memory
from bids_sr.superres.batches import Batches
from bids_sr.superres.first_pass import Gathered
from bids_sr.superres.progress import Progress
from bids_sr.superres.series_detail import DetailRunner, SeriesDetail
from bids_sr.superres.series_images import SeriesImages
from bids_sr.superres.volume import SuperResolvedVolume

_AT_ONCE = 8
"""Slices interpolated at once."""


class SeriesWise:
    """Runs the network once per slice and shell, and adds the detail to each interpolated volume.

    Parameters
    ----------
    network : torch.nn.Module
        Network in eval mode.
    batches : Batches
        Device and batch size.
    gathered : Gathered
        Result of the first pass, with `SeriesImages` as shared images; consumed.
    reader : DwiReader
        The series.
    grid : SliceGrid
        Orientation of its slices.
    consistent, ensemble, band
        See `bids_sr.superres.series_detail.DetailRunner`.
    members : sequence of pathlib.Path or None
        Folder for the detail of each ensemble member, None: as that of the mean; empty: not kept.
    scratch : pathlib.Path, optional
        Folder for unnamed files with detail that is large; default: memory holds it.
    label : str or None
        Name of the run in the progress display; None: no display.
    precision : str
        Precision of the layers, as for `bids_sr.superres.precision.choose_precision`.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        batches: Batches,
        gathered: Gathered,
        reader: DwiReader,
        grid: SliceGrid,
        *,
        consistent: bool,
        ensemble: int,
        band: tuple[float, float],
        members: Sequence[Path | None],
        scratch: Path | None,
        label: str | None,
        precision: str,
    ) -> None:
        assert isinstance(gathered.shared, SeriesImages)
        self._reader, self._axis, self._factor = reader, grid.slice_axis, grid.factor
        self._scale = np.float32(gathered.scale)
        runner = DetailRunner(
            network, batches, consistent=consistent, ensemble=ensemble, band=band,
            precision=precision,
        )  # fmt: skip
        slices = grid.shape[grid.slice_axis]
        rows, columns = (grid.shape[axis] for axis in grid.in_plane)
        shells = max(1, len(gathered.shared.parts.shells))
        shown = Progress(label, shells * slices, "slice").advance if label else None
        self._detail, self._members = runner.run(
            gathered.shared,
            (slices, rows, columns),
            members=members,
            scratch=scratch,
            progress=shown,
        )
        self.precision = runner.precision
        """Precision of the layers."""
        give_back_memory()  # of the layers; the threads that compute volumes do not reuse it

    def make(self, volumes: Sequence[int], ahead: int) -> Iterator[SuperResolvedVolume]:
        """Yield each volume, computed while the last is written; `ahead` is not used."""
        for index in volumes:
            yield self._make(index)

    def _make(self, index: int) -> SuperResolvedVolume:
        measured = to_slices(self._reader.volume(index), self._axis) / self._scale
        interpolated = interpolate(measured, self._factor)
        members = np.stack([interpolated] * len(self._members)) if self._members else None
        for detail, member in zip(self._members, () if members is None else members, strict=True):
            detail.add(index, member)
        self._detail.add(index, interpolated)
        return SuperResolvedVolume(interpolated, members)


class EnsembleMember:
    """One member of a self-ensemble: its detail, added to the interpolated volumes.

    A `bids_sr.images.reader.VolumeSource`.

    Parameters
    ----------
    reader : DwiReader
        The series that was super-resolved.
    detail : SeriesDetail
        Detail of the member.
    grid : SliceGrid
        Orientation of the slices of `reader`.
    scale : float
        Unit of `detail`, in units of the series.
    signed : bool
        Whether negative values are kept.
    volumes : sequence of int
        Volumes of the series to include, in this order.
    """

    def __init__(
        self,
        reader: DwiReader,
        detail: SeriesDetail,
        grid: SliceGrid,
        scale: float,
        *,
        signed: bool,
        volumes: Sequence[int],
    ) -> None:
        self.path, self.meta = reader.path, reader.meta
        shape, self.affine = grid.high_resolution
        self.shape = (*shape, len(volumes))
        self._reader, self._detail, self._grid = reader, detail, grid
        self._scale, self._signed, self._volumes = np.float32(scale), signed, tuple(volumes)

    def volume(self, index: int) -> np.ndarray:
        """Return a volume, (x, y, z), in units of the series."""
        index = self._volumes[index]
        slices = to_slices(self._reader.volume(index), self._grid.slice_axis) / self._scale
        made = interpolate(slices, self._grid.factor)
        self._detail.add(index, made)
        if not self._signed:
            np.maximum(made, 0, out=made)
        made *= self._scale
        return from_slices(made, self._grid.slice_axis)


def interpolate(slices: np.ndarray, factor: int) -> np.ndarray:
    """Return the sinc interpolation of slices (n, a, b): (n, f a, f b) float32.

    This is done a few slices at a time: between its two axes, interpolation holds a copy.
    """
    count, rows, columns = slices.shape
    made = np.empty((count, rows * factor, columns * factor), np.float32)
    with torch.inference_mode():
        for start in range(0, count, _AT_ONCE):
            few = np.ascontiguousarray(slices[start : start + _AT_ONCE], np.float32)
            fine = sinc_upsample(torch.from_numpy(few), factor)
            made[start : start + _AT_ONCE] = fine.numpy()
    return made
