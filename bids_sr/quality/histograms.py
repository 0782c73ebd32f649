"""Histograms of maps over the brain."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RANGES = {"fa": (0.0, 1.0), "md": (0.0, 3e-3)}
"""Histogram ranges: FA without unit, MD in mm2/s up to that of free water at 37 C."""
_BINS = 50


def histogram(values: NDArray[np.floating], param: str) -> NDArray[np.float64]:
    """Return the share of voxels in each bin; values outside the range go into the end bins.

    Parameters
    ----------
    values : numpy.ndarray
        (n,), the voxels of the brain.
    param : str
        ``fa`` or ``md``.

    Returns
    -------
    numpy.ndarray
        (50,), sum 1; zeros without finite values.
    """
    finite = values[np.isfinite(values)]
    low, high = RANGES[param]
    counts, _ = np.histogram(np.clip(finite, low, high), bins=_BINS, range=RANGES[param])
    shares: NDArray[np.float64] = counts / max(finite.size, 1)
    return shares


def histogram_pair(
    before: NDArray[np.floating], after: NDArray[np.floating], param: str
) -> dict[str, Any]:
    """Return the edges and the shares of input and output for the curves file."""
    edges = np.linspace(*RANGES[param], _BINS + 1)
    return {"edges": edges, "input": histogram(before, param), "sr": histogram(after, param)}
