"""The residual D(SR) - LR of a whole series: by shell, and by volume and slice."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from bids_sr.quality.consistency import ResidualSums, consistency_residual
from bids_sr.quality.series_context import Curves, Metrics, SeriesContext, VolumePair


class Residuals:
    """Accumulates residuals in the brain, volume by volume.

    Parameters
    ----------
    context : SeriesContext
        The series.
    """

    def __init__(self, context: SeriesContext) -> None:
        self._context = context
        self._sums: dict[str, ResidualSums] = defaultdict(ResidualSums)
        self._squares: dict[int, NDArray[np.float64]] = {}
        self._reference: dict[str, list[NDArray[np.float64]]] = defaultdict(list)

    def add(self, pair: VolumePair) -> None:
        """Add a volume."""
        inside = self._context.inside
        residual = consistency_residual(pair.output, pair.measured, self._context.grid.factor)
        self._sums[pair.shell].add(residual[inside], pair.measured[inside])
        self._squares[pair.index] = _mean_squares(residual, inside)
        self._reference[pair.shell].append(_mean_squares(pair.measured, inside))

    def rms(self) -> dict[str, float]:
        """Return the root mean square of each shell's residual, in units of the image."""
        return {shell: sums.rms for shell, sums in self._sums.items()}

    def result(self) -> tuple[Metrics, Curves]:
        """Return ``dc_nrmse_<shell>``, ``dc_bias_<shell>``, and the map ``dc_map``."""
        metrics: Metrics = {}
        for shell in sorted(self._sums, key=lambda name: int(name[1:])):
            metrics[f"dc_nrmse_{shell}"] = self._sums[shell].nrmse
            metrics[f"dc_bias_{shell}"] = self._sums[shell].bias
        return metrics, {"dc_map": {"values": self._map(), "unit": "%"}}

    def _map(self) -> NDArray[np.float64]:
        """Return (volumes, slices): residual in % of the shell's input; NaN without brain."""
        rows = []
        for index in sorted(self._squares):
            shell = self._context.shells[index]
            level = np.mean(self._reference[shell], axis=0)
            share = self._squares[index] / np.where(level > 0, level, np.nan)
            rows.append(100 * np.sqrt(share))
        return np.array(rows)


def _mean_squares(slices: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    squares = np.where(inside, slices, 0).astype(np.float64) ** 2
    counts = inside.sum(axis=(1, 2))
    mean = squares.sum(axis=(1, 2)) / np.maximum(counts, 1)
    return np.where(counts > 0, mean, np.nan)
