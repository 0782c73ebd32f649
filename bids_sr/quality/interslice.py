"""Whether neighbouring slices have the same brightness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MIN_VOXELS = 50
"""Brain that three slices must share to be compared."""


def interslice_discontinuity(slices: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Return by how much a slice's brightness typically differs from its neighbours' mean.

    ``|mean(I_k - (I_k-1 + I_k+1) / 2)| / mean(I_k)`` over the brain that the three
    slices share; the median over slices, so that anatomy's steps and single bad slices
    count little and slices that alternate count fully.

    Parameters
    ----------
    slices : numpy.ndarray
        (slices, A, B), one volume.
    mask : numpy.ndarray
        (slices, A, B) bool, the brain.

    Returns
    -------
    float
        A share of the brightness; NaN with fewer than three slices of brain.
    """
    jumps = []
    for k in range(1, len(slices) - 1):
        shared = mask[k - 1] & mask[k] & mask[k + 1]
        if np.count_nonzero(shared) < _MIN_VOXELS:
            continue
        below, here, above = (float(slices[i][shared].mean()) for i in (k - 1, k, k + 1))
        if here > 0:
            jumps.append(abs(here - (below + above) / 2) / here)
    return float(np.median(jumps)) if jumps else float("nan")
