"""Input against output in sampled slices and volumes: grids, spectra, single-volume metrics."""

from __future__ import annotations

import numpy as np

from bids_sr.quality import registry
from bids_sr.quality.lattice import LatticeSums, normalised_residual
from bids_sr.quality.peaks import peak_ratio, residual_power
from bids_sr.quality.periods import periods_of
from bids_sr.quality.series_context import (
    Curves,
    Mask,
    Metrics,
    SeriesContext,
    Slices,
    VolumePair,
    upsampled,
)
from bids_sr.quality.sharpness import RadialSpectrum

_NAMES = {"input": "interpolated", "sr": "super-resolved"}
"""Names of the two images in the record and in the curves."""


class _Side:
    """One of the two images."""

    def __init__(self, zooms: tuple[float, float], periods: tuple[int, ...]) -> None:
        self.lattice = LatticeSums(periods)
        self.spectrum = RadialSpectrum(zooms)
        self.power: np.ndarray | float = 0.0
        self.values: dict[str, list[float]] = {}

    def add(self, slices: Slices, context: SeriesContext) -> None:
        mask = context.fine_inside[context.slices]
        residual = normalised_residual(slices, mask)
        self.lattice.add(residual, mask)
        self.power = self.power + residual_power(residual)
        self.spectrum.add(slices, mask)

    def measure(self, volume: Slices, mask: Mask) -> None:
        """Compute the metrics of single volumes (`MetricSpec.of_volume`)."""
        for spec in registry.METRICS:
            if spec.of_volume is not None:
                self.values.setdefault(spec.key, []).append(spec.of_volume(volume, mask))

    def peak(self, period: int) -> float:
        return peak_ratio(np.atleast_2d(self.power), period)


class CloseUp:
    """Compares the interpolated input with the output in the sampled slices and volumes.

    Parameters
    ----------
    context : SeriesContext
        The series.
    """

    def __init__(self, context: SeriesContext) -> None:
        self._context = context
        zooms = [zoom / context.grid.factor for zoom in context.zooms]
        periods = periods_of(context.grid.factor)
        self._sides = {name: _Side((zooms[0], zooms[1]), periods) for name in _NAMES}

    def add(self, pair: VolumePair) -> None:
        """Add a volume if it is one of the sampled ones."""
        context = self._context
        if pair.index not in context.volumes or not context.slices.size:
            return
        fine = upsampled(pair.measured[context.slices], context.grid.factor, signed=context.signed)
        self._sides["input"].add(fine, context)
        self._sides["sr"].add(pair.output[context.slices], context)
        self._sides["input"].measure(pair.measured, context.inside)
        self._sides["sr"].measure(pair.output, context.fine_inside)

    def result(self) -> tuple[Metrics, Curves]:
        """Return the metrics of both images, and lattice and spectra as curves."""
        if not self._context.slices.size:
            return {}, {}
        metrics: Metrics = {}
        for name, side in self._sides.items():
            metrics |= lattice_metrics(side.lattice, "dwi", name)
            metrics[f"sharpness_{name}"] = side.spectrum.half_power
            metrics |= {f"{key}_{name}": float(np.mean(v)) for key, v in side.values.items()}
        before, after = self._sides["input"], self._sides["sr"]
        for period in after.lattice.periods:
            metrics[f"grid_fslice_dwi_p{period}_sr"] = after.lattice.slice_f(period)
            metrics[f"peak_db_dwi_p{period}"] = after.peak(period) - before.peak(period)
        spectra: Curves = {"frequency": before.spectrum.curve[0]}
        spectra |= {_NAMES[name]: side.spectrum.log_power for name, side in self._sides.items()}
        return metrics, {"spectra": spectra, "lattice": {"dwi": after.lattice.cells()}}


def lattice_metrics(sums: LatticeSums, image: str, which: str) -> Metrics:
    """Return ``grid_f_IMAGE_pP_WHICH`` and ``grid_a_IMAGE_pP_WHICH`` of all periods."""
    metrics: Metrics = {}
    for period, fold in sums.folds().items():
        metrics[f"grid_f_{image}_p{period}_{which}"] = fold.f
        metrics[f"grid_a_{image}_p{period}_{which}"] = fold.amplitude
    return metrics
