"""How close an image is to a reference: PSNR and SSIM inside a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_sr.images.grid import from_slices, to_slices

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]

PEAK_PERCENTILE = 99.0
"""Share of the reference, in percent, that lies below its peak."""


def peak_of(reference: Volume, mask: Mask) -> float:
    """Return the intensity that counts as full scale for PSNR and SSIM.

    The 99th percentile of the reference in the mask: a scan has no largest
    possible value, and its maximum is one hot voxel.

    Parameters
    ----------
    reference : numpy.ndarray
        (x, y, z).
    mask : numpy.ndarray
        (x, y, z), bool, not empty.

    Returns
    -------
    float
    """
    return float(np.percentile(reference[mask], PEAK_PERCENTILE))


def psnr(reference: Volume, test: Volume, mask: Mask, data_range: float) -> float:
    """Return the peak signal-to-noise ratio in a mask.

    Parameters
    ----------
    reference, test : numpy.ndarray
        (x, y, z).
    mask : numpy.ndarray
        (x, y, z), bool.
    data_range : float
        Full scale, see `peak_of`.

    Returns
    -------
    float
        In dB; infinite for equal images, NaN for an empty mask.
    """
    if not mask.any():
        return float("nan")
    difference = reference[mask].astype(np.float64) - test[mask]
    error = float(np.mean(difference**2))
    return float(10 * np.log10(data_range**2 / error)) if error else float("inf")


def ssim(
    reference: Volume, test: Volume, mask: Mask, data_range: float, slice_axis: int = 2
) -> float:
    """Return the structural similarity of slices, averaged over a mask.

    skimage's SSIM in two dimensions with a Gaussian window of sigma 1.5 pixels
    (Wang et al. 2004, IEEE Trans Image Process 13:600).

    Parameters
    ----------
    reference, test : numpy.ndarray
        (x, y, z).
    mask : numpy.ndarray
        (x, y, z), bool. Windows reach beyond it.
    data_range : float
        Full scale, see `peak_of`.
    slice_axis : int
        Voxel axis across the slices.

    Returns
    -------
    float
        At most 1; NaN for an empty mask.
    """
    from skimage.metrics import structural_similarity

    values = [
        structural_similarity(
            one,
            other,
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1][inside]
        for one, other, inside in zip(
            *(to_slices(each, slice_axis) for each in (reference, test, mask)), strict=True
        )
        if inside.any()
    ]
    return float(np.concatenate(values).mean()) if values else float("nan")


def erode(mask: Mask, voxels: int, slice_axis: int = 2) -> Mask:
    """Erode a mask in plane, slice by slice.

    Parameters
    ----------
    mask : numpy.ndarray
        (x, y, z), bool. Not changed.
    voxels : int
        Thickness of the rim, in plane; 0 leaves the mask as it is.
    slice_axis : int
        Voxel axis across the slices.

    Returns
    -------
    numpy.ndarray
        (x, y, z), bool.
    """
    from scipy.ndimage import binary_erosion

    if voxels == 0:  # scipy takes 0 as "until nothing changes"
        return mask.copy()
    slices = to_slices(mask, slice_axis)
    eroded = np.stack([binary_erosion(each, iterations=voxels) for each in slices])
    return from_slices(eroded, slice_axis)
