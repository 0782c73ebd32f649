"""A brain mask that came with the data: which of its voxels count, and whether it fits."""

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
"""Interpolation with splines or sinc makes values of a mask over- and undershoot."""
_OUTSIDE = 0.01
"""Share of a mask, or of an image, that may lie where the other is not, without a word."""
_WHOLE = 0.95
"""A brain does not fill so much of an image."""
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
    """What was doubtful about its values, in whole sentences."""


def read_mask(path: Path) -> GivenMask:
    """Read a brain mask.

    Of 0 and one other value, the other counts as brain; of whole numbers, labels, all but
    0. Values between 0 and 1 are probabilities, and count from one half on. What is
    negative or has no value is outside.

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
            f"{missing} voxels of the brain mask {path.name} have no value (NaN or infinite);"
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
    """Say whether all values are whole numbers, but for what scaling with a slope leaves."""
    rounded = np.round(values)
    return bool(np.all(np.abs(values - rounded) <= 1e-4 * np.maximum(1, np.abs(rounded))))


def place_mask(
    mask: GivenMask, shape: Sequence[int], affine: NDArray[np.float64], image: Path
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Bring a given mask to the grid of its image and say what is odd about its place.

    Parameters
    ----------
    mask : GivenMask
        On whatever grid; each voxel takes the value of its nearest neighbour.
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
        Those of `mask` and of its place, in whole sentences.

    Raises
    ------
    InputError
        If no voxel of it lies inside the image.
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
            f"The brain mask {name} does not reach over {away:.0%} of the image, which counts as"
            " outside the brain."
        )
    if away > 0 and mask.inside.shape == tuple(shape):
        said.append(
            f"The brain mask {name} has as many voxels as the image, but its header says that they"
            " lie elsewhere; they are taken there."
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
    """Return what share of voxels (n, 3) of one grid have their centre within another."""
    across = np.linalg.inv(other) @ affine
    places = voxels @ across[:3, :3].T + across[:3, 3]
    # the outer half of the border voxels still belongs to them; a thousandth for rounding
    within = (places > -0.501) & (places < np.array(shape) - 0.499)
    return float(within.all(axis=1).mean())


def _sample(shape: Sequence[int]) -> NDArray[np.intp]:
    """Return at most 32 voxels along each axis, (n, 3)."""
    axes = [np.unique(np.linspace(0, n - 1, min(n, 32)).round().astype(np.intp)) for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
