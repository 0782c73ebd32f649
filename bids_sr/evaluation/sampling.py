"""Choice of the slices and volumes that represent a scan in the self-check."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.ensemble_sd import subset
from bids_sr.diffusion.volume_selection import dti_volumes

MAX_SLICES = 12
"""Slices to check."""
MAX_NOISY_SLICES = 6
"""Number of these that are checked again with the scan's noise restored."""
MAX_B0S = 2
"""Volumes at b = 0."""
MAX_DIRECTIONS = 12
"""Volumes of the shells used for the tensor fit."""
MAX_OTHER = 3
"""Volumes of each further shell ..."""
MAX_OTHER_SHELLS = 2
"""... of at most this number of shells, those with most volumes first."""
_MIDDLE = 0.6
"""Central share of the brain's slices to choose from; the outermost contain little brain."""


def middle_slices(occupied: NDArray[np.bool_], *, gapless: bool, most: int = MAX_SLICES) -> slice:
    """Choose slices, evenly spread over the middle of the brain.

    Parameters
    ----------
    occupied : numpy.ndarray
        (slices,), bool: whether a slice holds brain; at least one does.
    gapless : bool
        Choose adjacent slices, for a network that reads neighbouring slices.
    most : int
        Maximum number of slices.

    Returns
    -------
    slice
        At most `most` slices.

    Examples
    --------
    >>> middle_slices(np.ones(60, bool), gapless=False)
    slice(13, 47, 3)
    >>> middle_slices(np.ones(60, bool), gapless=True)
    slice(24, 36, 1)
    """
    found = np.flatnonzero(occupied)
    first, last = int(found[0]), int(found[-1])
    margin = round((1 - _MIDDLE) / 2 * (last - first + 1))
    span = max(1, last - first + 1 - 2 * margin)
    step = 1 if gapless else max(1, span // most)
    length = (min(most, -(-span // step)) - 1) * step + 1
    start = first + margin + (span - length) // 2
    return slice(start, start + length, step)


def few_volumes(gradients: GradientTable) -> list[int]:
    """Choose b0s, well-spread directions for the tensor fit, and some of other shells.

    Parameters
    ----------
    gradients : GradientTable
        Gradients of the whole series.

    Returns
    -------
    list of int
        Ascending; never empty, never more than 20.
    """
    b0s = np.flatnonzero(gradients.is_b0)[:MAX_B0S]
    tensor = _tensor_volumes(gradients)
    chosen = [*b0s, *_spread(gradients, tensor, MAX_DIRECTIONS)]
    others = [s.indices for s in gradients.shells if not np.isin(s.indices, tensor).all()]
    others.sort(key=len, reverse=True)
    most = MAX_OTHER if tensor.size else MAX_DIRECTIONS // MAX_OTHER_SHELLS
    for indices in others[:MAX_OTHER_SHELLS]:
        chosen.extend(_spread(gradients, indices, most))
    return sorted(map(int, chosen))


def _tensor_volumes(gradients: GradientTable) -> NDArray[np.intp]:
    """Return the volumes of the largest shell that determines a tensor alone, else of all shells.

    Directions are compared within a shell, so a few of each shell would be less informative.
    """
    tensor = np.array(dti_volumes(gradients).indices, int)
    tensor = tensor[~gradients.is_b0[tensor]]
    b0s = np.flatnonzero(gradients.is_b0)
    alone = [
        shell.indices
        for shell in gradients.shells
        if np.isin(shell.indices, tensor).all()
        and not dti_volumes(subset(gradients, [*b0s, *shell.indices])).reason
    ]
    return max(alone, key=len, default=tensor)


def _spread(gradients: GradientTable, indices: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    return indices[well_spread(gradients.bvecs[indices], count)]


def well_spread(vectors: NDArray[np.float64], count: int) -> list[int]:
    """Choose well-separated directions, greedily; v and -v are equivalent.

    Parameters
    ----------
    vectors : numpy.ndarray
        (n, 3), unit vectors.
    count : int
        Maximum number.

    Returns
    -------
    list of int
        Positions, the first being 0.
    """
    if len(vectors) <= count:
        return list(range(len(vectors)))
    cosine = np.abs(vectors @ vectors.T)
    chosen = [0]
    while len(chosen) < count:
        nearest = cosine[:, chosen].max(axis=1)
        nearest[chosen] = np.inf
        chosen.append(int(np.argmin(nearest)))
    return chosen
