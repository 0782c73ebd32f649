"""Sharpness of an image: its radial spectrum, and one number that sums it up."""

from __future__ import annotations

import numpy as np
from attrs import define, field
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter

_SOFT = 2.0
"""Pixels by which the mask's edge is softened, so that it adds no detail of its own."""
_FLOOR = 1e-30


@define
class RadialSpectrum:
    """Power of slices over rings of equal spatial frequency, accumulated slice by slice."""

    zooms: tuple[float, float]
    """Pixel size, mm."""
    _power: NDArray[np.float64] | float = field(default=0.0, init=False)

    def add(self, slices: NDArray[np.floating], mask: NDArray[np.bool_]) -> None:
        """Add slices.

        Parameters
        ----------
        slices : numpy.ndarray
            (slices, A, B).
        mask : numpy.ndarray
            (slices, A, B) bool, the brain; its edge is softened.
        """
        window = gaussian_filter(mask.astype(np.float32), (0, _SOFT, _SOFT))
        spectrum = fft.fft2(np.asarray(slices, np.float32) * window)
        self._power = self._power + (np.abs(spectrum).astype(np.float64) ** 2).sum(axis=0)

    @property
    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Frequencies, cycles/mm, and mean power on each ring; zero frequency left out.

        Rings end at the lower of the axes' Nyquist frequencies.
        """
        power = np.atleast_2d(self._power)
        rows, columns = (np.fft.fftfreq(n, d) for n, d in zip(power.shape, self.zooms, strict=True))
        radius = np.hypot(rows[:, None], columns[None])
        width = 1 / min(n * d for n, d in zip(power.shape, self.zooms, strict=True))
        rings = int(np.floor(0.5 / max(self.zooms) / width))
        ring = np.minimum(np.round(radius / width).astype(np.intp), rings + 1).ravel()
        sums = np.bincount(ring, power.ravel(), minlength=rings + 2)
        counts = np.bincount(ring, minlength=rings + 2)
        mean = sums / np.maximum(counts, 1)
        return width * np.arange(1, rings + 1), mean[1 : rings + 1]

    @property
    def log_power(self) -> NDArray[np.float64]:
        """Common logarithm of the curve's power."""
        return np.log10(np.maximum(self.curve[1], _FLOOR))

    @property
    def half_power(self) -> float:
        """Frequency, cycles/mm, that halves the power of edges; see `half_power`."""
        return half_power(*self.curve)


def half_power(frequency: NDArray[np.float64], power: NDArray[np.float64]) -> float:
    """Return the frequency below which half of the power of an image's edges lies.

    Edges are the image's gradient: its power is that of the image times the
    square of the frequency. (Of the image itself nearly all power lies at a few
    lowest frequencies, whatever its detail.) Noise counts as detail.

    Parameters
    ----------
    frequency : numpy.ndarray
        (n,), cycles/mm, evenly spaced, ascending.
    power : numpy.ndarray
        (n,), mean over the ring of each frequency.

    Returns
    -------
    float
        cycles/mm; NaN without power. For white noise smoothed by a Gaussian of
        standard deviation s it is ``sqrt(1.678) / (2 pi s)``.
    """
    total = np.cumsum(power * frequency**3)  # squared for the gradient, once for the ring's size
    if not total.size or total[-1] <= 0:
        return float("nan")
    return float(np.interp(total[-1] / 2, total, frequency + (frequency[1] - frequency[0]) / 2))
