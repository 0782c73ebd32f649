"""The effect of a reference's own noise on metrics, from the noise measured in its high band.

A perfect result has the measured band of the scan, noise included, and beyond it the truth.
Compared with the scan it still differs by the scan's noise of the high band. How much FA, MD
and V1 differ for that reason alone is estimated by a parametric bootstrap: the reference is
compared with itself plus one more realisation of such noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bids_sr.networks.angular_parts import B0
from bids_sr.quality.high_band import HighBandFit, Mask, Slices, high_band, noise_source

_SMOOTH = 2.0
"""Standard deviation, pixels, of the Gaussian over which the noise level is averaged."""
_NEAR = 0.05
"""Share of that neighbourhood that must be brain."""


class HighBandNoise:
    """Noise like that of a reference's high band.

    Gaussian, of the local level that the residual of the angular fit has, smoothed within
    slices. What the fit cannot describe counts as noise, so that it is an upper estimate.

    Parameters
    ----------
    fit : HighBandFit
        Of the reference; all volumes added.
    seed : int
        Of the random numbers.
    band : tuple of float
        Share of the band, along both in-plane axes, to which the reference, and what is made
        here of it, are cut (`bids_sr.images.band.keep_band`).
    """

    def __init__(
        self, fit: HighBandFit, seed: int = 0, band: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        self._factor = fit.factor
        # of white noise so much lies in the high band, where the level is found
        self._share = band[0] * band[1] - fit.factor**-2
        self._generator = np.random.default_rng(seed)
        self._levels: dict[int, NDArray[np.float32]] = {}
        self._of: dict[int, int | None] = {}
        for model in fit.models:
            source = noise_source(fit, model)
            if source is not None and source not in self._levels:
                self._levels[source] = np.sqrt(_spread(fit.residual(source), fit.inside))
            self._of |= {int(index): source for index in model.indices}

    @property
    def is_known(self) -> bool:
        """Whether there is a level for every volume."""
        return self._share > 0 and bool(self._of) and None not in self._of.values()

    def added(self, index: int, slices: Slices) -> Slices:
        """Return a volume with one more realisation of its high-band noise.

        Parameters
        ----------
        index : int
            Of the volume.
        slices : numpy.ndarray
            (slices, f a, f b). Not changed.

        Returns
        -------
        numpy.ndarray
            Same shape, not negative.
        """
        source = self._of[index]
        if source is None:
            raise ValueError(f"the noise of volume {index} is not known")
        white = self._generator.standard_normal(slices.shape, dtype=np.float32)
        level = self._levels[source] / np.sqrt(self._share)
        more: Slices = np.maximum(slices + high_band(white * level, self._factor), 0)
        return more


def noise_deviation(fit: HighBandFit, band: tuple[float, float] = (1.0, 1.0)) -> float | None:
    """Return the standard deviation of a reference's noise, in all of its band.

    Parameters
    ----------
    fit : HighBandFit
        Of the reference.
    band : tuple of float
        Share of the reference's band that was measured, along both in-plane axes: there
        its noise lies.

    Returns
    -------
    float or None
        In units of the image, root mean square over the brain; None if it is not known.
    """
    known = [number for number, model in enumerate(fit.models) if model.freedom]
    weighted = [number for number in known if fit.models[number].shell != B0] or known
    measured, low = band[0] * band[1], fit.factor**-2
    if not weighted or not fit.inside.any() or measured <= low:
        return None
    variance = fit.residual(weighted[0]).mean() * measured / (measured - low)
    return float(np.sqrt(variance))


def _spread(values: NDArray[np.float64], inside: Mask) -> NDArray[np.float32]:
    """Return values of the brain averaged over neighbours; their mean where none is near."""
    image = np.zeros(inside.shape, np.float32)
    image[inside] = values
    total, weight = (
        gaussian_filter(each, (0, _SMOOTH, _SMOOTH)) for each in (image, inside.astype(np.float32))
    )
    near = weight > _NEAR
    smooth = np.full(inside.shape, values.mean(), np.float32)
    smooth[near] = total[near] / weight[near]
    return smooth
