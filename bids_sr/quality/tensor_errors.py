"""How far tensor maps are from those of a reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

WHITE_MATTER_FA = 0.25
"""White matter has a fractional anisotropy above this ..."""
WHITE_MATTER_MD = 1.1e-3
"""... and a mean diffusivity below this, mm2/s, which leaves the rim of fluid out."""


def white_matter(fa: Floats, md: Floats, mask: Mask) -> Mask:
    """Return where a tensor has a principal direction worth comparing.

    Parameters
    ----------
    fa, md : numpy.ndarray
        Fractional anisotropy, and mean diffusivity in mm2/s; equal shapes.
    mask : numpy.ndarray
        Brain, its rim eroded; same shape.

    Returns
    -------
    numpy.ndarray
        Bool, same shape: FA > 0.25 and MD < 1.1e-3 inside the mask.
    """
    inside: Mask = mask & (fa > WHITE_MATTER_FA) & (md < WHITE_MATTER_MD)
    return inside


def mean_absolute_error(reference: Floats, test: Floats, mask: Mask) -> float:
    """Return the mean absolute difference of two maps in a mask, NaN if it is empty."""
    if not mask.any():
        return float("nan")
    return float(np.abs(reference[mask].astype(np.float64) - test[mask]).mean())


def v1_angles(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Return the angles between axes, their signs being free.

    Parameters
    ----------
    one, other : numpy.ndarray
        (n, 3), of any length; a zero vector gives NaN.

    Returns
    -------
    numpy.ndarray
        (n,), degrees, 0 to 90.
    """
    a, b = (np.asarray(each, dtype=np.float64) for each in (one, other))
    # the arc tangent stays exact for small angles, where the arc cosine does not
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    cosine = np.abs((a * b).sum(axis=-1))
    angles = np.degrees(np.arctan2(sine, cosine))
    return np.where(sine + cosine > 0, angles, np.nan)


def v1_angle(reference: Floats, test: Floats, mask: Mask) -> float:
    """Return the median angle between the principal directions of two fits.

    Parameters
    ----------
    reference, test : numpy.ndarray
        (x, y, z, 3), principal eigenvectors in one frame.
    mask : numpy.ndarray
        (x, y, z), bool; white matter.

    Returns
    -------
    float
        Degrees, 0 to 90; NaN when nothing can be compared.
    """
    angles = v1_angles(reference[mask], test[mask])
    angles = angles[np.isfinite(angles)]
    return float(np.median(angles)) if angles.size else float("nan")
