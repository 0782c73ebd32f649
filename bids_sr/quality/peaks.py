"""Grid artifacts in the spectrum: sharp peaks at the frequencies of a period."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RING = 0.02
"""Half the width, in cycles per pixel, of the ring that a peak is compared with."""


def residual_power(residual: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the power spectrum of normalised residuals, summed over slices.

    Parameters
    ----------
    residual : numpy.ndarray
        (slices, A, B), of `bids_sr.quality.lattice.normalised_residual`.

    Returns
    -------
    numpy.ndarray
        (A, B), zero frequency first.
    """
    power: NDArray[np.float64] = (np.abs(np.fft.fft2(residual)) ** 2).sum(axis=0)
    return power


def peak_ratio(power: NDArray[np.float64], period: int) -> float:
    """Return the power of a period over that of its surroundings.

    The power at (k / P, l / P), for the k and l that no shorter period shares,
    over the median on the ring of equal frequency; the largest of them counts.
    Plain cubic interpolation has peaks of 14 dB: read it only together with that of
    the interpolated input.

    Parameters
    ----------
    power : numpy.ndarray
        (A, B), zero frequency first.
    period : int
        Pixels; even.

    Returns
    -------
    float
        dB; NaN without power on the ring.
    """
    rows, columns = (np.fft.fftfreq(n) for n in power.shape)
    radius = np.hypot(rows[:, None], columns[None])
    places = [
        (row, column) for row in range(period) for column in range(period) if row % 2 or column % 2
    ]
    peaks = [
        tuple(round(k * n / period) % n for k, n in zip(place, power.shape, strict=True))
        for place in places
    ]
    around = power.copy()
    around[tuple(np.transpose(peaks))] = np.nan
    ratios = []
    for peak in peaks:
        ring = around[np.abs(radius - radius[peak]) < _RING]
        level = np.nanmedian(ring) if np.isfinite(ring).any() else 0.0
        if level > 0 and power[peak] > 0:
            ratios.append(power[peak] / level)
    return float(10 * np.log10(max(ratios))) if ratios else float("nan")
