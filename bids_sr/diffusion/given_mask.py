"""A brain mask provided with the data: its voxels, and whether it matches the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from bids_sr.diffusion.mask import carry_mask
from bids_sr.errors import InputError
from bids_sr.images.nifti import load_volume

_HALF = 0.5
_OVERSHOOT = 0.5
"""Tolerance: spline or sinc interpolation makes mask values over- and undershoot."""
_OUTSIDE = 0.01
"""Fraction of a mask, or of an image, allowed outside the other without a warning."""
_WHOLE = 0.95
"""Fraction of an image that a brain does not fill."""
_REMEDY = "Give a mask of 0 outside and 1 inside the brain, on the image's own grid."


@frozen
class GivenMask:
    """A mask read from a file."""

    path: Path
    """The file."""
    inside: NDArray[np.bool_] = field(eq=False)
    """(x, y, z), on its own grid."""
    affine: NDArray[np.float64] = field(eq=False)
    """(4, 4), its voxel indices to world mm."""
    warnings: tuple[str, ...]
    """Warnings about its values, as full sentences."""


def read_mask(path: Path) -> GivenMask:
    """Read a brain mask.

    With 0 and one other value, the other counts as brain; with integer labels, all but 0. Values
    between 0 and 1 are probabilities, and count as brain from 0.5 on. Negative, NaN and infinite
    voxels are outside.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``, 3D, or 4D with one volume.

    Returns
    -------
    GivenMask
        With at least one voxel inside.

    Raises
    ------
    InputError
        If it cannot be read, if no voxel counts as brain, or if its values are neither
        labels nor probabilities.
    """
    values, affine = load_volume(path)
    warnings = []
    missing = int(np.count_nonzero(~np.isfinite(values)))
    if missing:
        warnings.append(
            f"{missing} voxels of the brain mask {path.name} are NaN or infinite;"
            " they count as outside."
        )
        values = np.where(np.isfinite(values), values, np.float32(0))
    inside, warning = _inside(values, path)
    if not inside.any():
        raise InputError(
            f"has no voxel that counts as brain (values from {values.min():g} to"
            f" {values.max():g}).",
            file=path,
            remedy=_REMEDY,
        )
    return GivenMask(path, inside, affine, (*warnings, *warning))


def _inside(values: NDArray[np.float32], path: Path) -> tuple[NDArray[np.bool_], list[str]]:
    largest, lowest = float(values.max()), float(values.min())
    positive = values > 0
    if _are_whole(values):
        several = positive.any() and float(values[positive].min()) < largest - 0.5
        if lowest < 0:
            said = f"holds negative values (lowest {lowest:g}); they count as outside."
        elif several:
            said = f"holds labels up to {largest:g}; all but 0 count as brain."
        else:
            return positive, []
        return positive, [f"The brain mask {path.name} {said}"]
    if largest <= 1 + _OVERSHOOT and lowest >= -_OVERSHOOT:
        return values >= _HALF, [
            f"The brain mask {path.name} holds values between 0 and 1; those from 0.5 on count as"
            " brain."
        ]
    raise InputError(
        f"holds values from {lowest:g} to {largest:g}, which are neither a mask's (0 and 1) nor"
        " probabilities.",
        file=path,
        remedy=_REMEDY,
    )


def _are_whole(values: NDArray[np.float32]) -> bool:
    """Return whether all values are integers, up to the error of scaling with a slope."""
    rounded = np.round(values)
    return bool(np.all(np.abs(values - rounded) <= 1e-4 * np.maximum(1, np.abs(rounded))))


def place_mask(
    mask: GivenMask, shape: Sequence[int], affine: NDArray[np.float64], image: Path
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Resample a given mask to the grid of its image and check its position.

    Parameters
    ----------
    mask : GivenMask
        On any grid; interpolation is by nearest neighbour.
    shape : sequence of int
        Voxels of the image along x, y and z.
    affine : numpy.ndarray
        (4, 4), voxel indices of the image to world mm.
    image : pathlib.Path
        The image, for the error.

    Returns
    -------
    inside : numpy.ndarray
        (x, y, z), bool, at least one voxel.
    warnings : tuple of str
        Those of `mask` and those about its position, as full sentences.

    Raises
    ------
    InputError
        If none of its voxels lies inside the image.
    """
    carried = carry_mask(mask.inside, mask.affine, shape, affine)
    if not carried.any():
        raise InputError(
            f"has no voxel inside the image {image}.",
            file=mask.path,
            remedy="Give the mask that belongs to the image.",
        )
    name, said = mask.path.name, list(mask.warnings)
    outside = 1 - _share_within(np.argwhere(mask.inside), mask.affine, shape, affine)
    if outside > _OUTSIDE:
        said.append(
            f"{outside:.0%} of the brain mask {name} lies outside the image: check that they"
            " belong together."
        )
    away = 1 - _share_within(_sample(shape), affine, mask.inside.shape, mask.affine)
    if away > _OUTSIDE:
        said.append(
            f"The brain mask {name} does not cover {away:.0%} of the image, which counts as"
            " outside the brain."
        )
    if away > 0 and mask.inside.shape == tuple(shape):
        said.append(
            f"The brain mask {name} has as many voxels as the image, but its header says that they"
            " lie elsewhere; they are used at that position."
        )
    if carried.mean() > _WHOLE:
        said.append(
            f"The brain mask {name} covers {carried.mean():.0%} of the image, air included: maps"
            " and quality metrics are computed there as well."
        )
    return carried, tuple(said)


def _share_within(
    voxels: NDArray[np.intp],
    affine: NDArray[np.float64],
    shape: Sequence[int],
    other: NDArray[np.float64],
) -> float:
    """Return the fraction of voxels (n, 3) of one grid whose centre lies within another."""
    across = np.linalg.inv(other) @ affine
    places = voxels @ across[:3, :3].T + across[:3, 3]
    # the outer half of border voxels is inside; a thousandth allows for rounding
    within = (places > -0.501) & (places < np.array(shape) - 0.499)
    return float(within.all(axis=1).mean())


def _sample(shape: Sequence[int]) -> NDArray[np.intp]:
    """Return at most 32 voxels along each axis, (n, 3)."""
    axes = [np.unique(np.linspace(0, n - 1, min(n, 32)).round().astype(np.intp)) for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
