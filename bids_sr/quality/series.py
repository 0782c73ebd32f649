"""Metrics of a super-resolved series, computed one volume at a time."""

from __future__ import annotations

import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.nifti import DwiReader
from bids_sr.quality.closeup import CloseUp
from bids_sr.quality.lines import BadParts
from bids_sr.quality.neighbours import Neighbours
from bids_sr.quality.noise_sample import NoiseSample
from bids_sr.quality.residuals import Residuals
from bids_sr.quality.series_context import (
    Curves,
    Mask,
    Metrics,
    Observer,
    SeriesContext,
    VolumePair,
    make_context,
)
from bids_sr.quality.zero_filling import InputBand


@frozen
class SeriesMetrics:
    """What was measured of a series."""

    metrics: Metrics
    """Numbers, by key of the record."""
    texts: dict[str, str | int]
    """Words and counts, by key of the record."""
    curves: Curves
    """By key of the curves file."""


def series_metrics(
    lr: DwiReader,
    sr: DwiReader,
    gradients: GradientTable,
    input_mask: Mask,
    output_mask: Mask,
    grid: SliceGrid,
    *,
    signed: bool = False,
) -> SeriesMetrics:
    """Compare input and output volume by volume; each is read once.

    Memory holds a few volumes and small samples of all. What is costly is computed
    from a bounded number of volumes and slices, see `bids_sr.quality.series_context`.

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
    signed : bool
        Whether both have a sign.

    Returns
    -------
    SeriesMetrics
        The metrics of each file of `bids_sr.quality` that observes volumes.
    """
    context = make_context(gradients, grid, input_mask, output_mask, signed=signed)
    residuals, band, noise = Residuals(context), InputBand(context), NoiseSample(context)
    bad = BadParts(context)
    observers: tuple[Observer, ...] = (
        residuals, PhysicalSignal(context), CloseUp(context), Neighbours(context), noise, band, bad,
    )  # fmt: skip
    for index in np.argsort(~gradients.is_b0, kind="stable"):  # b0s first
        pair = _volume_pair(lr, sr, context, int(index))
        for observer in observers:
            observer.add(pair)
    metrics: Metrics = {}
    curves: Curves = {}
    for observer in observers:
        more_metrics, more_curves = observer.result()
        metrics |= more_metrics
        curves |= more_curves
    if "spectra" in curves:
        curves["spectra"]["acquired_limit"] = band.limit
    more_metrics, note = _noise(noise, residuals)
    found = bad.found()
    texts: dict[str, str | int] = {
        "sigma_note": note,
        "bad_lines": "; ".join(part.words for part in found),
        "n_bad_slices": len({(part.volume, part.slice) for part in found}),
        "band_note": band.note(),
    }
    return SeriesMetrics(metrics | more_metrics, texts, curves)


def _volume_pair(lr: DwiReader, sr: DwiReader, context: SeriesContext, index: int) -> VolumePair:
    return VolumePair(
        index,
        context.shells[index],
        bool(context.gradients.is_b0[index]),
        *(to_slices(reader.volume(index), context.grid.slice_axis) for reader in (lr, sr)),
    )


def _noise(sample: NoiseSample, residuals: Residuals) -> tuple[Metrics, str]:
    noise = sample.estimate()
    nothing = float("nan")
    metrics = {
        "sigma_mppca": noise.mppca or nothing,
        "sigma_piesno": noise.piesno or nothing,
        **sample.signal_to_noise(noise.sigma),
    }
    for shell, rms in residuals.rms().items():
        metrics[f"dc_rms_sigma_{shell}"] = rms / noise.sigma if noise.sigma else nothing
    return metrics, noise.note


class PhysicalSignal:
    """Counts samples that no tissue produces: above b = 0, or not finite.

    Parameters
    ----------
    context : SeriesContext
        The series.
    """

    def __init__(self, context: SeriesContext) -> None:
        self._context = context
        self._before, self._after = AboveB0(), AboveB0()
        self._nonfinite = self._samples = 0

    def add(self, pair: VolumePair) -> None:
        """Add a volume, the b0s first."""
        output = pair.output[self._context.fine_inside]
        self._before.add(pair.measured[self._context.inside], is_b0=pair.is_b0)
        self._after.add(output, is_b0=pair.is_b0)
        self._nonfinite += int(np.count_nonzero(~np.isfinite(pair.output)))
        self._samples += pair.output.size

    def result(self) -> tuple[Metrics, Curves]:
        """Return ``s_above_s0_fraction_*`` (see `AboveB0`) and ``nonfinite_dwi_fraction_sr``."""
        return {
            "s_above_s0_fraction_input": self._before.fraction,
            "s_above_s0_fraction_sr": self._after.fraction,
            "nonfinite_dwi_fraction_sr": self._nonfinite / max(self._samples, 1),
        }, {}


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
