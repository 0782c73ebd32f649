"""Grids in the FA map, and histograms of FA and MD before and after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_sr.diffusion.tensor import TensorMaps
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.nifti import load_volume
from bids_sr.quality.closeup import lattice_metrics
from bids_sr.quality.histograms import RANGES, histogram_pair
from bids_sr.quality.lattice import LatticeSums, normalised_residual
from bids_sr.quality.periods import periods_of
from bids_sr.quality.series_context import Curves, Metrics, choose_slices

_SLICES = 32
"""Slices of the FA map: more than of a weighted volume, since there is only one map."""


def fa_lattice(
    after: TensorMaps, mask: NDArray[np.bool_], grid: SliceGrid
) -> tuple[Metrics, Curves]:
    """Look for grids in the FA map of the output.

    Parameters
    ----------
    after : TensorMaps
        With ``fa``, of the output.
    mask : numpy.ndarray
        (x, y, z), bool, brain on the output grid.
    grid : SliceGrid
        Input grid and factor.

    Returns
    -------
    metrics : dict
        ``grid_f_fa_pP_sr`` and ``grid_a_fa_pP_sr``.
    curves : dict
        Mean residual at each phase by period.
    """
    inside = to_slices(mask, grid.slice_axis)
    chosen = choose_slices(inside, _SLICES)
    if not chosen.size:
        return {}, {}
    slices = to_slices(np.nan_to_num(load_volume(after.paths["fa"])[0]), grid.slice_axis)[chosen]
    sums = LatticeSums(periods_of(grid.factor))
    sums.add(normalised_residual(slices, inside[chosen]), inside[chosen])
    return lattice_metrics(sums, "fa", "sr"), sums.cells()


def map_histograms(
    before: TensorMaps,
    after: TensorMaps,
    input_mask: NDArray[np.bool_],
    output_mask: NDArray[np.bool_],
) -> Curves:
    """Return the histograms of FA and MD in the brain, of both fits, for the curves file."""
    return {
        param: histogram_pair(
            load_volume(before.paths[param])[0][input_mask],
            load_volume(after.paths[param])[0][output_mask],
            param,
        )
        for param in RANGES
    }
