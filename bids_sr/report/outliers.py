"""Which runs stand out from the others: Tukey's rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

MIN_RUNS = 10
"""Runs below which quartiles are unreliable and nothing is marked."""
REACH = 1.5
"""Distance of the fences from the quartiles, in interquartile ranges."""
_RARE = 0.1
"""Where the quartiles coincide, other values are marked if they are at most this share."""


@frozen
class Fences:
    """Limits of the usual range."""

    low: float
    """Values below stand out."""
    high: float
    """Values above stand out."""

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which values stand out."""
        return (values < self.low) | (values > self.high)


def fences(values: Sequence[float] | NDArray[np.float64], least: float = 0.0) -> Fences | None:
    """Return the fences of a sample (J. W. Tukey, Exploratory Data Analysis, 1977).

    Parameters
    ----------
    values : sequence of float
        One for each run, finite.
    least : float
        Least distance between the fences, half of it on each side of the median: smaller
        differences are negligible, however similar the other values are.

    Returns
    -------
    Fences or None
        Quartiles plus and minus 1.5 interquartile ranges. None if there are
        fewer than `MIN_RUNS`, or if the quartiles coincide and more than a
        tenth of the values differ from them: then there is no usual range.

    Examples
    --------
    >>> fences([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    Fences(low=-4.0, high=16.0)
    >>> fences([0.0] * 20 + [0.5])
    Fences(low=0.0, high=0.0)
    >>> fences([0.0] * 20 + [0.5], least=2.0)
    Fences(low=-1.0, high=1.0)
    >>> fences([1, 2, 3]) is None
    True
    """
    sample = np.asarray(values, np.float64)
    if sample.size < MIN_RUNS:
        return None
    # scaled down, so that subtracting the largest floats does not overflow
    size = float(np.abs(sample).max()) or 1.0
    q1, q2, q3 = (float(q) for q in np.percentile(sample / size, (25, 50, 75)))
    if q1 == q3 and np.mean(sample / size != q1) > _RARE:
        return None
    reach = REACH * (q3 - q1)
    with np.errstate(over="ignore"):
        low, high = (q1 - reach) * size, (q3 + reach) * size
        return Fences(min(low, q2 * size - least / 2), max(high, q2 * size + least / 2))
