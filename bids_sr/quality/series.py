"""Figures of a super-resolved series that are read off its volumes, one at a time."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.nifti import DwiReader
from bids_sr.quality.consistency import ResidualSums, consistency_residual

Mask = NDArray[np.bool_]


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


def consistency_per_shell(
    sr: DwiReader,
    lr: DwiReader,
    gradients: GradientTable,
    input_mask: Mask,
    grid: SliceGrid,
) -> dict[str, float]:
    """Return the residual ``D(SR) - LR`` in the brain, shell by shell.

    Parameters
    ----------
    sr, lr : DwiReader
        Output and input.
    gradients : GradientTable
        Of both.
    input_mask : numpy.ndarray
        (x, y, z), bool, brain on the input grid.
    grid : SliceGrid
        Input grid, slice axis and factor.

    Returns
    -------
    dict of str to float
        ``dc_nrmse_<shell>`` and ``dc_bias_<shell>``.
    """
    inside = to_slices(input_mask, grid.slice_axis)
    sums: dict[str, ResidualSums] = defaultdict(ResidualSums)
    for index, shell in enumerate(shell_names(gradients)):
        measured = to_slices(lr.volume(index), grid.slice_axis)
        output = to_slices(sr.volume(index), grid.slice_axis)
        residual = consistency_residual(output, measured, grid.factor)
        sums[shell].add(residual[inside], measured[inside])
    figures = {}
    for shell in sorted(sums, key=lambda name: int(name[1:])):
        figures[f"dc_nrmse_{shell}"] = sums[shell].nrmse
        figures[f"dc_bias_{shell}"] = sums[shell].bias
    return figures


def above_b0_fraction(reader: DwiReader, gradients: GradientTable, mask: Mask) -> float:
    """Return the share of diffusion-weighted samples brighter than the mean b0.

    Parameters
    ----------
    reader : DwiReader
        The series.
    gradients : GradientTable
        Its gradient table.
    mask : numpy.ndarray
        (x, y, z), bool.

    Returns
    -------
    float
        Of all samples (voxels in the mask times weighted volumes); NaN without b0
        or without weighted volumes.
    """
    b0s, weighted = np.flatnonzero(gradients.is_b0), np.flatnonzero(~gradients.is_b0)
    if not b0s.size or not weighted.size or not mask.any():
        return float("nan")
    mean_b0 = sum(reader.volume(int(i))[mask] for i in b0s) / np.float32(b0s.size)
    above = sum(int((reader.volume(int(i))[mask] > mean_b0).sum()) for i in weighted)
    return above / (mean_b0.size * weighted.size)
