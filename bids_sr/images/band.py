"""How much of an image's k-space was measured, and how much was filled in by the scanner.

Many scanners interpolate: they pad the measured band of k-space with zeros, so that the matrix is
larger than the measured one. Where the band ends, the spectrum of such an image has a step
(`bids_sr.images.band_edge`). A filter that removes the high frequencies makes none, but beyond it
the image holds little more than what the magnitude operation spreads there: its spectrum falls to a
floor and stays flat up to the Nyquist frequency, while that of a fully measured image keeps
falling.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bids_sr.images.band_edge import Edge, EdgeSpectra, falls_by

if TYPE_CHECKING:
    import torch

BAND_VOLUMES = 8
"""Number of first volumes whose spectra are used to detect interpolation."""
_MIN_SIDE = 24
"""Pixels below which a spectrum is too short to assess."""
_TAIL = 0.06
"""Fraction of the spectrum, at its end, used to estimate the floor."""
_FLAT_DB = 1.0
"""Ripple allowed in the floor."""
_FLAT_SHARE = 0.1
"""Flat end, as a fraction of the spectrum, from which an axis counts as filtered."""
_EDGE_DB = 2.0
"""Power at the band's edge, relative to the floor."""
_CONTRAST_DB = 13.0
"""Power required in the middle of the band, relative to the floor: more than pure noise has, whose
floor is as flat."""
_EMPTY = 1e-12
"""Power, relative to the largest, below which rounding dominates."""


def effective_band(volumes: Iterable[NDArray[np.float32]]) -> tuple[float, float]:
    """Return the measured share of the band along both in-plane axes.

    Parameters
    ----------
    volumes : iterable of numpy.ndarray
        (slices, a, b) each, a few volumes of one run.

    Returns
    -------
    tuple of float
        Along a and b: 1.0 where the spectrum shows neither filling nor filtering, otherwise the
        frequency, in units of the Nyquist frequency, of its step, or where it reaches its floor.
    """
    spectra = AxisSpectra()
    for volume in volumes:
        spectra.add(volume)
    return spectra.band


class AxisSpectra:
    """Power along both in-plane axes, summed over volumes."""

    def __init__(self) -> None:
        self._sums: list[NDArray[np.float64] | float] = [0.0, 0.0]
        self._edges = EdgeSpectra()
        self.sides: tuple[int, int] = (0, 0)
        """Pixels along a and b."""

    def add(self, volume: NDArray[np.float32]) -> None:
        """Add a volume, (slices, a, b)."""
        self.sides = (volume.shape[1], volume.shape[2])
        self._edges.add(volume)
        for number, axis in enumerate((-2, -1)):
            spectrum = np.abs(np.fft.rfft(volume, axis=axis)) ** 2
            self._sums[number] += (
                np.moveaxis(spectrum, axis, -1).reshape(-1, spectrum.shape[axis]).mean(0)
            )

    @property
    def power(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Along a and b, from zero to the Nyquist frequency."""
        first, second = (np.atleast_1d(power) for power in self._sums)
        return first, second

    @property
    def edges(self) -> tuple[Edge | None, Edge | None]:
        """Steps in the spectrum along a and b, where zero-filling begins; None without one."""
        return self._edges.edges

    def falls_by(self, number: int, matrix: int) -> float:
        """Return how far power falls around the end of a matrix's band, dB; a: 0, b: 1."""
        profiles = self._edges.profiles
        return 0.0 if profiles is None else falls_by(profiles[number], self.sides[number], matrix)

    @property
    def band(self) -> tuple[float, float]:
        """Measured share of the band along a and b, see `effective_band`."""
        first, second = (
            _band(power) if edge is None else edge.pixels / side
            for power, edge, side in zip(self.power, self.edges, self.sides, strict=True)
        )
        return first, second


def _band(power: NDArray[np.float64]) -> float:
    bins = power.size - 1
    if bins < _MIN_SIDE // 2 or power.max() <= 0:
        return 1.0
    decibel = 10 * np.log10(np.maximum(power / power.max(), _EMPTY))
    tail = max(3, round(_TAIL * bins))
    decibel -= np.median(decibel[-tail:])
    above = np.flatnonzero(decibel > _FLAT_DB)
    flat = bins - int(above[-1]) if above.size else bins
    if flat < _FLAT_SHARE * bins or decibel[bins // 2] < _CONTRAST_DB:
        return 1.0
    edge = np.flatnonzero(decibel > _EDGE_DB)[-1]
    return float(edge / bins)


@lru_cache(maxsize=64)
def low_pass_matrix(n: int, band: float) -> NDArray[np.float64]:
    """Return the projection onto the frequencies inside the band.

    Parameters
    ----------
    n : int
        Pixels along the axis.
    band : float
        Share of the Nyquist frequency, in (0, 1].

    Returns
    -------
    numpy.ndarray
        (n, n), symmetric; the identity for a full band.
    """
    if band >= 1:
        return np.eye(n)
    distance = np.arange(n)[:, None] - np.arange(n)[None, :]
    highest = int(np.floor(band * n / 2 + 1e-9))
    kernel = np.ones((n, n))
    for k in range(1, highest + 1):
        weight = 1 if 2 * k == n else 2
        kernel += weight * np.cos(2 * np.pi * k * distance / n)
    return kernel / n


def keep_band(images: torch.Tensor, band: tuple[float, float]) -> torch.Tensor:
    """Return only what `images` hold inside the band.

    Parameters
    ----------
    images : torch.Tensor
        (..., a, b).
    band : tuple of float
        Shares of the Nyquist frequencies along a and b; full ones change nothing.

    Returns
    -------
    torch.Tensor
        (..., a, b), same dtype and device; may be negative.
    """
    import torch  # the rest of this file is imported by callers that must start quickly

    if min(band) >= 1:
        return images
    left, right = (
        torch.as_tensor(low_pass_matrix(n, share), dtype=images.dtype, device=images.device)
        for n, share in zip(images.shape[-2:], band, strict=True)
    )
    return left @ images @ right.mT
