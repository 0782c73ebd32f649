"""Figures of a super-resolved series that are read off its volumes, one at a time."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from attrs import define
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


def series_figures(
    lr: DwiReader,
    sr: DwiReader,
    gradients: GradientTable,
    input_mask: Mask,
    output_mask: Mask,
    grid: SliceGrid,
) -> dict[str, float]:
    """Compare input and output volume by volume; each is read once.

    Parameters
    ----------
    lr, sr : DwiReader
        Input and output.
    gradients : GradientTable
        Of both.
    input_mask, output_mask : numpy.ndarray
        (x, y, z), bool, brain on the grids of the input and of the output.
    grid : SliceGrid
        Input grid, slice axis and factor.

    Returns
    -------
    dict of str to float
        ``dc_nrmse_<shell>`` and ``dc_bias_<shell>`` of the residual ``D(SR) - LR``;
        ``s_above_s0_fraction_input`` and ``s_above_s0_fraction_sr``, see `AboveB0`.
    """
    inside = to_slices(input_mask, grid.slice_axis)
    sums: dict[str, ResidualSums] = defaultdict(ResidualSums)
    before, after = AboveB0(), AboveB0()
    names = shell_names(gradients)
    for index in np.argsort(~gradients.is_b0, kind="stable"):  # b0s first
        measured, output = lr.volume(int(index)), sr.volume(int(index))
        is_b0 = bool(gradients.is_b0[index])
        before.add(measured[input_mask], is_b0=is_b0)
        after.add(output[output_mask], is_b0=is_b0)
        slices = to_slices(measured, grid.slice_axis)
        residual = consistency_residual(to_slices(output, grid.slice_axis), slices, grid.factor)
        sums[names[index]].add(residual[inside], slices[inside])
    figures = {}
    for shell in sorted(sums, key=lambda name: int(name[1:])):
        figures[f"dc_nrmse_{shell}"] = sums[shell].nrmse
        figures[f"dc_bias_{shell}"] = sums[shell].bias
    figures["s_above_s0_fraction_input"] = before.fraction
    figures["s_above_s0_fraction_sr"] = after.fraction
    return figures


@define
class AboveB0:
    """Counts diffusion-weighted samples that are brighter than the mean b0."""

    b0_sum: NDArray[np.float32] | None = None
    """Sum of the b0s so far, (n,)."""
    b0s: int = 0
    """How many."""
    above: int = 0
    """Weighted samples brighter than the mean b0."""
    samples: int = 0
    """Weighted samples."""

    def add(self, signals: NDArray[np.float32], *, is_b0: bool) -> None:
        """Add the voxels of one volume; all b0s come first.

        Parameters
        ----------
        signals : numpy.ndarray
            (n,), the voxels in the mask.
        is_b0 : bool
            Whether the volume is a b0.
        """
        if is_b0:
            self.b0_sum = signals if self.b0_sum is None else self.b0_sum + signals
            self.b0s += 1
        elif self.b0_sum is not None:
            self.above += int(np.count_nonzero(signals * self.b0s > self.b0_sum))
            self.samples += signals.size

    @property
    def fraction(self) -> float:
        """Share of all weighted samples; NaN without b0s or without samples."""
        return self.above / self.samples if self.samples else float("nan")
