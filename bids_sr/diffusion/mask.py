"""Finding the brain mask, and resampling it to another grid."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bids_sr.errors import InputError

_LOG = logging.getLogger("bids_sr")

_OPENING_MM = 6.0
"""Bridges to the eyes and the scalp that are thinner than twice this are cut."""
_MEDIAN_RADIUS = 2
_PASSES = 4


def brain_mask(
    mean_b0: NDArray[np.float32],
    zooms: Sequence[float] = (2.0, 2.0, 2.0),
    *,
    quiet: bool = False,
) -> NDArray[np.bool_]:
    """Find the brain on a b0 image.

    dipy's ``median_otsu`` (median of radius 2 voxels, one pass) on the image
    clipped at the median of its own foreground, so that neither bright fluid nor the bright rim
    next to the coil raises the threshold; then the largest component after cutting thin bridges,
    with its holes filled.

    Parameters
    ----------
    mean_b0 : numpy.ndarray
        (x, y, z), mean of the b0 volumes, or of all volumes if there is no b0.
        Not changed.
    zooms : sequence of float
        Voxel size along x, y and z, mm.
    quiet : bool
        Do not log.

    Returns
    -------
    numpy.ndarray
        (x, y, z), bool, at least one voxel. If the brain cannot be separated from the background,
        all voxels above zero, with a warning in the log.

    Raises
    ------
    InputError
        If no voxel is above zero.
    """
    from dipy.segment.mask import median_otsu

    positive = mean_b0 > 0
    if not positive.any():
        raise InputError(
            "no voxel of the mean b0 is above zero, so there is no brain to find.",
            remedy="Look at the image; give a brain mask if it is right.",
        )
    if mean_b0.min() == mean_b0.max():
        return _whole(positive, quiet)
    clipped = np.minimum(mean_b0, _foreground_median(mean_b0))
    if clipped.min() == clipped.max():
        return _whole(positive, quiet)
    # transposed, since skimage takes an image of 3 or 4 slices for a colour image
    _, rough = median_otsu(clipped.T, median_radius=_MEDIAN_RADIUS, numpass=1)
    mask = _fill(_main_piece(rough.T, zooms))
    return mask if mask.any() else _whole(positive, quiet)


def carry_mask(
    mask: NDArray[np.bool_],
    affine: NDArray[np.float64],
    target_shape: Sequence[int],
    target_affine: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Resample a mask to another grid by nearest neighbour.

    Parameters
    ----------
    mask : numpy.ndarray
        (x, y, z), true or non-zero inside. Not changed.
    affine : numpy.ndarray
        (4, 4), its voxel indices to world mm.
    target_shape : sequence of int
        Voxels of the other grid along its three axes.
    target_affine : numpy.ndarray
        (4, 4), voxel indices of the other grid to world mm.

    Returns
    -------
    numpy.ndarray
        (x', y', z'), bool; false outside the field of view of `mask`.
    """
    to_source = np.linalg.inv(affine) @ target_affine
    carried: NDArray[np.uint8] = ndimage.affine_transform(
        (np.asarray(mask) != 0).astype(np.uint8),
        to_source[:3, :3],
        offset=to_source[:3, 3],
        output_shape=tuple(target_shape),
        order=0,
        # the outer half of border voxels is inside
        mode="grid-constant",
    )
    return carried.astype(bool)


def _foreground_median(image: NDArray[np.float32]) -> float:
    """Median of the voxels above Otsu's threshold, computed again below itself."""
    from skimage.filters import threshold_otsu

    median, clipped = float(image.max()), image
    for _ in range(_PASSES):
        if clipped.min() == clipped.max():
            break
        median = float(np.median(image[image > threshold_otsu(clipped.ravel())]))
        clipped = np.minimum(image, median)
    return median


def _main_piece(mask: NDArray[np.bool_], zooms: Sequence[float]) -> NDArray[np.bool_]:
    """Cut thin bridges, keep the largest component and the voxels close to its core."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=zooms)[1:-1, 1:-1, 1:-1]
    core = _largest(depth > _OPENING_MM)
    if not core.any():
        return _largest(mask)
    near = ndimage.distance_transform_edt(~core, sampling=zooms) <= _OPENING_MM
    return near & mask


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))


def _fill(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill holes: those closed in 3D, then those closed within a slice along any axis."""
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(mask)
    for axis in range(3):
        for plane in np.moveaxis(filled, axis, 0):
            plane[...] = ndimage.binary_fill_holes(plane)
    return filled


def _whole(positive: NDArray[np.bool_], quiet: bool) -> NDArray[np.bool_]:
    if not quiet:
        _LOG.warning(
            "The brain cannot be separated from the background: all voxels above zero are used."
            " Provide a brain mask for better maps."
        )
    return positive
