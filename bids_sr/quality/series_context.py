"""What all metrics of a series share: masks, sampled slices and volumes, one volume at a time."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.kspace import sinc_upsample

Mask = NDArray[np.bool_]
Slices = NDArray[np.float32]
Metrics = dict[str, float]
Curves = dict[str, Any]

MAX_VOLUMES = 12
"""Weighted volumes sampled for the costly metrics, all shells together ..."""
MAX_PER_SHELL = 6
"""... and of one shell."""
MAX_SLICES = 16
"""Slices of each of them."""


@frozen(eq=False)
class SeriesContext:
    """What is known of a series before its volumes are read."""

    gradients: GradientTable
    """Of input and output."""
    grid: SliceGrid
    """Input grid, slice axis and factor."""
    inside: Mask
    """Brain on the input grid, (slices, a, b)."""
    fine_inside: Mask
    """Brain on the output grid, (slices, f a, f b)."""
    shells: tuple[str, ...]
    """Shell of each volume: ``b0``, ``b1000``, ..."""
    slices: NDArray[np.intp]
    """Sampled slices."""
    volumes: frozenset[int]
    """Sampled volumes."""
    signed: bool = False
    """Whether input and output have a sign."""

    @property
    def zooms(self) -> tuple[float, float]:
        """In-plane voxel size of the input, mm, along a and b."""
        first, second = self.grid.in_plane
        return self.grid.zooms[first], self.grid.zooms[second]


@frozen(eq=False)
class VolumePair:
    """One volume of input and output."""

    index: int
    """Volume, from 0."""
    shell: str
    """``b0``, ``b1000``, ..."""
    is_b0: bool
    """Whether it is a b0."""
    measured: Slices
    """Input, (slices, a, b)."""
    output: Slices
    """Super-resolved, (slices, f a, f b)."""


class Observer(Protocol):
    """A metric that is accumulated over the volumes, the b0s first."""

    def add(self, pair: VolumePair) -> None:
        """Add one volume; it is not kept whole."""
        ...

    def result(self) -> tuple[Metrics, Curves]:
        """Return metrics for the record, and curves, once all volumes have been added."""
        ...


def make_context(
    gradients: GradientTable,
    grid: SliceGrid,
    input_mask: Mask,
    output_mask: Mask,
    *,
    signed: bool = False,
) -> SeriesContext:
    """Choose slices and volumes and bring the masks into slice order.

    Parameters
    ----------
    gradients : GradientTable
        Of the series.
    grid : SliceGrid
        Input grid, slice axis and factor.
    input_mask, output_mask : numpy.ndarray
        (x, y, z), bool, brain on the grids of input and output.
    signed : bool
        Whether input and output have a sign.

    Returns
    -------
    SeriesContext
    """
    fine = to_slices(output_mask, grid.slice_axis)
    return SeriesContext(
        gradients,
        grid,
        to_slices(input_mask, grid.slice_axis),
        fine,
        tuple(shell_names(gradients)),
        choose_slices(fine),
        choose_volumes(gradients),
        signed,
    )


def shell_names(gradients: GradientTable) -> list[str]:
    """Name the shell of each volume: ``b0``, ``b1000``, ...

    Parameters
    ----------
    gradients : GradientTable
        Of the series.

    Returns
    -------
    list of str
        One per volume.
    """
    names = ["b0"] * gradients.n_volumes
    for shell in gradients.shells:
        for index in shell.indices:
            names[index] = f"b{shell.bval:.0f}"
    return names


def choose_slices(mask: Mask, count: int = MAX_SLICES) -> NDArray[np.intp]:
    """Return evenly spaced slices with brain, preferably with much of it.

    Parameters
    ----------
    mask : numpy.ndarray
        (slices, a, b), bool.
    count : int
        Largest number.

    Returns
    -------
    numpy.ndarray
        Indices, ascending; of slices with at least a quarter of the fullest one's
        brain. Empty if there is none.
    """
    sizes = mask.sum(axis=(1, 2))
    return spread_evenly(np.flatnonzero((sizes > 0) & (4 * sizes >= sizes.max())), count)


def choose_volumes(gradients: GradientTable) -> frozenset[int]:
    """Return evenly spread weighted volumes of all shells; b0s where there is nothing else."""
    shells = [shell.indices for shell in gradients.shells] or [np.arange(gradients.n_volumes)]
    each = max(1, min(MAX_PER_SHELL, MAX_VOLUMES // len(shells)))
    return frozenset(int(i) for shell in shells for i in spread_evenly(shell, each))


def spread_evenly(values: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return at most `count` of the values, evenly spread, first and last among them."""
    places = np.linspace(0, values.size - 1, min(count, values.size))
    return values[np.round(places).astype(np.intp)]


def upsampled(slices: Slices, factor: int, *, signed: bool = False) -> Slices:
    """Interpolate slices by zero-filling k-space, clipped at zero where the output is.

    Parameters
    ----------
    slices : numpy.ndarray
        (slices, a, b).
    factor : int
        In-plane factor.
    signed : bool
        Whether negative values are kept.

    Returns
    -------
    numpy.ndarray
        (slices, f a, f b).
    """
    fine = sinc_upsample(torch.from_numpy(np.ascontiguousarray(slices)), factor)
    return np.asarray((fine if signed else fine.clamp_min(0)).numpy())
