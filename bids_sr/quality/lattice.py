"""Grid artifacts: a pattern locked to the matrix, found by folding the image onto a lattice.

Anatomy is nowhere locked to the voxel matrix; what a network prints at every
P-th pixel is. Slices are folded onto one P x P cell: if the cell's phases differ
by more than chance allows, there is a grid of period P.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bids_sr.quality.periods import PERIODS

_SMOOTHING = 1.5
"""Standard deviation, pixels, of the Gaussian that separates out the anatomy."""
_MAD_TO_SD = 1.4826


@frozen
class LatticeFold:
    """Strength of the pattern of one period in an image."""

    f: float
    """Variance between the cell's phases over that within: about 1 without a grid."""
    amplitude: float
    """Standard deviation over the cell's phases, in units of the residual's noise."""


def normalised_residual(
    slices: NDArray[np.floating], mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Remove the anatomy and scale each slice to noise units.

    ``r = m (I - G(m I) / G(m))``, G a Gaussian of 1.5 pixels; ``z = r / (1.4826
    MAD)`` per slice.

    Parameters
    ----------
    slices : numpy.ndarray
        (slices, A, B).
    mask : numpy.ndarray
        (slices, A, B) bool, the brain.

    Returns
    -------
    numpy.ndarray
        (slices, A, B); zero outside the mask and in slices without contrast.
    """
    sigma = (0, _SMOOTHING, _SMOOTHING)
    weights = gaussian_filter(mask.astype(np.float64), sigma)
    smooth = gaussian_filter(np.where(mask, slices, 0.0).astype(np.float64), sigma)
    residual = np.where(mask, slices - smooth / np.maximum(weights, 1e-12), 0.0)
    for plane, inside in zip(residual, mask, strict=True):
        values = plane[inside]
        sd = _MAD_TO_SD * np.median(np.abs(values - np.median(values))) if values.size else 0.0
        plane /= sd if sd > 0 else np.inf
    return residual


class LatticeSums:
    """Sums of normalised residuals, accumulated slice by slice.

    Parameters
    ----------
    periods : iterable of int
        Pixels.
    """

    def __init__(self, periods: Iterable[int] = PERIODS) -> None:
        self.periods = tuple(periods)
        self._total: NDArray[np.float64] | float = 0.0
        self._count: NDArray[np.float64] | float = 0.0
        self._alone: dict[int, list[float]] = {period: [] for period in self.periods}

    def add(self, residual: NDArray[np.float64], mask: NDArray[np.bool_]) -> None:
        """Add slices.

        Parameters
        ----------
        residual : numpy.ndarray
            (slices, A, B), of `normalised_residual`.
        mask : numpy.ndarray
            (slices, A, B) bool, the brain.
        """
        self._total = self._total + residual.sum(axis=0)
        self._count = self._count + mask.sum(axis=0)
        for period, found in self._alone.items():
            found += [_fold(z, inside, period).f for z, inside in zip(residual, mask, strict=True)]

    def folds(self) -> dict[int, LatticeFold]:
        """Fold the mean residual of all slices onto lattices.

        With zbar the mean of z over slices and volumes, a pixel's phase a = (x mod P,
        y mod P), and mu_a the mean of the n_a pixels of a phase:
        ``F = [sum n_a (mu_a - mu)^2 / (P^2 - 1)] / MSW``, ``MSW = sum (zbar - mu_a)^2 /
        (N - P^2)``, ``A = sqrt(max(0, mean_a (mu_a - mu)^2 - MSW / n_a))``.

        Returns
        -------
        dict of int to LatticeFold
            By period; NaN where the mask holds too few pixels.
        """
        mean, seen = self._mean()
        return {period: _fold(mean, seen, period) for period in self.periods}

    def slice_f(self, period: int) -> float:
        """Return the median over slices of each slice's own F.

        It finds a grid whose sign changes with the contrast, which the mean of the
        slices hides. NaN where no slice holds enough pixels.
        """
        finite = [f for f in self._alone[period] if np.isfinite(f)]
        return float(np.median(finite)) if finite else float("nan")

    def cells(self) -> dict[str, NDArray[np.float64]]:
        """Return the mean residual at each phase, (P, P) in noise units, by period as text."""
        mean, seen = self._mean()
        rows, columns = np.nonzero(seen)
        cells = {}
        for period in self.periods:
            phase = (rows % period) * period + columns % period
            n = np.bincount(phase, minlength=period**2)
            sums = np.bincount(phase, mean[seen], minlength=period**2)
            cells[str(period)] = (sums / np.maximum(n, 1)).reshape(period, period)
        return cells

    def _mean(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        counts = np.atleast_2d(self._count)
        seen = counts > 0
        # the mean of many slices is less noisy than that of few: each pixel is weighed as one
        return np.where(seen, np.atleast_2d(self._total) / np.maximum(counts, 1), 0.0), seen


def _fold(mean: NDArray[np.float64], seen: NDArray[np.bool_], period: int) -> LatticeFold:
    rows, columns = np.nonzero(seen)
    phase = (rows % period) * period + columns % period
    values, phases = mean[seen], period**2
    n = np.bincount(phase, minlength=phases)
    if n.min() < 2:
        return LatticeFold(float("nan"), float("nan"))
    mu = np.bincount(phase, values, minlength=phases) / n
    within = float(((values - mu[phase]) ** 2).sum() / (values.size - phases))
    if within <= 0:
        return LatticeFold(float("nan"), float("nan"))
    between = (mu - values.mean()) ** 2
    f = float((n * between).sum() / (phases - 1) / within)
    return LatticeFold(f, float(np.sqrt(max(0.0, np.mean(between - within / n)))))
