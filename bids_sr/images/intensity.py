"""One intensity scale for a whole run, robust to hot voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PERCENTILE = 99.0
"""Percentile of the foreground used as the scale."""


def robust_scale(volume: NDArray[np.float32] | Sequence[NDArray[np.float32]]) -> float:
    """Return the intensity that is scaled to 1 for the network.

    The 99th percentile of the foreground, the voxels above Otsu's threshold.
    One hot voxel, or a saturated line, does not move it.

    Parameters
    ----------
    volume : numpy.ndarray or sequence of numpy.ndarray
        (x, y, z) or several of them, taken together. Not changed.

    Returns
    -------
    float
        Positive. Exactly 1.0 if there is no positive voxel: such an image is not scaled.
    """
    from skimage.filters import threshold_otsu

    volumes = [volume] if isinstance(volume, np.ndarray) else volume
    voxels = np.concatenate([np.ravel(each) for each in volumes])
    positive = voxels[voxels > 0]
    if not positive.size:
        return 1.0
    # a single hot voxel would stretch Otsu's histogram over an empty range
    ceiling = np.percentile(positive, 99.5)
    voxels = np.clip(voxels, 0, ceiling)
    if voxels.min() == voxels.max():
        return float(ceiling)
    foreground = positive[positive > threshold_otsu(voxels)]
    return float(np.percentile(foreground if foreground.size else positive, _PERCENTILE))


def bright_level(volume: NDArray[np.float32]) -> float:
    """Return the level of bright tissue: the 90th percentile of the voxels above the mean.

    Unlike `robust_scale` it does not depend on the amount of fluid, the brightest at b = 0.

    Parameters
    ----------
    volume : numpy.ndarray
        (x, y, z), not changed.

    Returns
    -------
    float
        Positive; 1.0 if no voxel is.
    """
    above = volume[volume > volume.mean()]
    level = float(np.percentile(above, 90)) if above.size else 0.0
    return level if level > 0 else 1.0
