"""Classical in-plane interpolation, the baseline that a network has to beat."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from bids_sr.images.grid import from_slices, to_slices
from bids_sr.images.kspace import sinc_upsample

METHODS = ("linear", "cubic", "sinc")
"""Methods that `interpolate` supports."""
_SPLINE_ORDER = {"linear": 1, "cubic": 3}


def interpolate(
    volume: NDArray[np.float32], factor: int, method: str, slice_axis: int = 2
) -> NDArray[np.float32]:
    """Interpolate a volume within its slices, the field of view kept.

    Parameters
    ----------
    volume : numpy.ndarray
        (x, y, z). Not changed.
    factor : int
        Voxels that replace one along each in-plane axis.
    method : str
        ``linear``, ``cubic`` (cubic B-spline) or ``sinc`` (zero-filled k-space).
    slice_axis : int
        Voxel axis across the slices.

    Returns
    -------
    numpy.ndarray
        (x', y', z'), float32, on the grid of `SliceGrid.high_resolution`; may be
        negative where a kernel overshoots.
    """
    slices = np.ascontiguousarray(to_slices(volume, slice_axis), dtype=np.float32)
    if method == "sinc":
        fine = sinc_upsample(torch.from_numpy(slices), factor).numpy()
    else:
        # grid_mode: positions count from the edge of the first voxel, not its centre
        fine = ndimage.zoom(
            slices,
            (1, factor, factor),
            order=_SPLINE_ORDER[method],
            mode="nearest",
            grid_mode=True,
        )
    return from_slices(fine, slice_axis)
