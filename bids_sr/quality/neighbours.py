"""Neighbouring DWI correlation: how similar volumes of neighbouring directions are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.quality.series_context import (
    Curves,
    Metrics,
    SeriesContext,
    VolumePair,
    spread_evenly,
    upsampled,
)

_SLICES = 4
_VOXELS = 10_000
"""Sampled voxels: more would not change the correlation."""


def neighbour_correlation(signals: NDArray[np.floating], gradients: GradientTable) -> float:
    """Return the mean correlation of each weighted volume with its nearest in q-space.

    Yeh et al. 2019 (NeuroImage 202:116131), by dipy. Smoothing alone raises it.

    Parameters
    ----------
    signals : numpy.ndarray
        (n, V), voxels by weighted volumes.
    gradients : GradientTable
        Of these volumes.

    Returns
    -------
    float
        At most 1; NaN with fewer than two volumes, where a volume is flat, or where
        encoding is not linear, so that volumes have no neighbours.
    """
    from dipy.core.gradients import gradient_table
    from dipy.stats.qc import neighboring_dwi_correlation

    if gradients.not_linear or min(signals.shape) < 2 or np.any(signals.std(axis=0) == 0):
        return float("nan")
    table = gradient_table(gradients.bvals, bvecs=gradients.bvecs, b0_threshold=0)
    return float(neighboring_dwi_correlation(signals, table))


class Neighbours:
    """Samples brain voxels of all weighted volumes, interpolated and super-resolved.

    Parameters
    ----------
    context : SeriesContext
        The series.
    """

    def __init__(self, context: SeriesContext) -> None:
        self._context = context
        self._slices = spread_evenly(context.slices, _SLICES)
        self._voxels = spread_evenly(
            np.flatnonzero(context.fine_inside[self._slices].ravel()), _VOXELS
        )
        self._columns: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def add(self, pair: VolumePair) -> None:
        """Keep the sampled voxels of a weighted volume."""
        if pair.is_b0 or not self._voxels.size:
            return
        context = self._context
        fine = upsampled(pair.measured[self._slices], context.grid.factor, signed=context.signed)
        output = pair.output[self._slices]
        self._columns[pair.index] = (fine.ravel()[self._voxels], output.ravel()[self._voxels])

    def result(self) -> tuple[Metrics, Curves]:
        """Return ``ndc_input`` (of the interpolated input) and ``ndc_sr``."""
        nothing = float("nan")
        if not self._columns:
            return {"ndc_input": nothing, "ndc_sr": nothing}, {}
        order = sorted(self._columns)
        table = self._context.gradients
        part = table.subset(order)
        pairs = [self._columns[index] for index in order]
        before, after = (np.stack(columns, axis=-1) for columns in zip(*pairs, strict=True))
        return {
            "ndc_input": neighbour_correlation(before, part),
            "ndc_sr": neighbour_correlation(after, part),
        }, {}
