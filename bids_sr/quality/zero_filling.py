"""Axes along which the scanner, or a filter, left part of the input's band empty."""

from __future__ import annotations

import numpy as np

from bids_sr.images.band import BAND_VOLUMES, AxisSpectra
from bids_sr.quality.series_context import Curves, Metrics, SeriesContext, VolumePair


class InputBand:
    """Spectra of the input along both in-plane axes.

    Parameters
    ----------
    context : SeriesContext
        The series.
    """

    def __init__(self, context: SeriesContext) -> None:
        self._context = context
        self._spectra = AxisSpectra()

    def add(self, pair: VolumePair) -> None:
        """Add a volume if it is one of the first."""
        if pair.index < BAND_VOLUMES:
            self._spectra.add(pair.measured)

    @property
    def band(self) -> tuple[float, float]:
        """Measured share of the band along both axes."""
        return self._spectra.band

    @property
    def limit(self) -> float:
        """Highest frequency, cycles/mm, that was measured along both axes."""
        return min(
            share / (2 * zoom) for share, zoom in zip(self.band, self._context.zooms, strict=True)
        )

    def note(self) -> str:
        """Name the axes that are not fully measured; empty if there is none."""
        grid = self._context.grid
        return "; ".join(
            f"axis {'ijk'[axis]} holds about {round(share * grid.shape[axis])} of "
            f"{grid.shape[axis]} frequencies: zero-filled or low-pass filtered"
            for axis, share in zip(grid.in_plane, self.band, strict=True)
            if share < 1
        )

    def result(self) -> tuple[Metrics, Curves]:
        """Return the curves ``axis_spectra``."""
        curves = {}
        for axis, zoom, power, share in zip(
            self._context.grid.in_plane,
            self._context.zooms,
            self._spectra.power,
            self.band,
            strict=True,
        ):
            frequency = np.arange(power.size) / (self._context.grid.shape[axis] * zoom)
            if power.max(initial=0) > 0:
                logarithm = np.log10(np.maximum(power, 1e-12 * power.max()))
                curves["ijk"[axis]] = {"frequency": frequency, "power": logarithm, "band": share}
        return {}, {"axis_spectra": curves}
