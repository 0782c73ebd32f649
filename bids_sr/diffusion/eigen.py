"""Eigenvalues and principal direction of many symmetric 3 x 3 matrices at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_STEP = 4096
"""Matrices per batch: all intermediate columns fit into the processor's cache."""
_NEAR = -0.999
"""Where the cosine of three times the angle (below) is lower, the two largest eigenvalues are
within about a fortieth of their distance to the third: the formula's direction loses digits."""


def main_direction(lower: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues, and the eigenvector of the largest, of symmetric matrices.

    By the trigonometric solution of the characteristic polynomial, and cross products of two rows
    of the matrix minus the largest eigenvalue [1]_; by LAPACK where the two largest eigenvalues are
    nearly equal, since the formula loses precision there.

    Parameters
    ----------
    lower : numpy.ndarray
        (n, 6), finite: xx, xy, yy, xz, yz, zz, dipy's lower triangle.

    Returns
    -------
    values : numpy.ndarray
        (n, 3), ascending.
    direction : numpy.ndarray
        (n, 3), unit vectors of arbitrary sign.

    References
    ----------
    .. [1] Kopp, "Efficient numerical diagonalization of hermitian 3 x 3 matrices",
       Int J Mod Phys C 19:523, 2008.
    """
    values, direction = np.empty((len(lower), 3)), np.empty((len(lower), 3))
    for low in range(0, len(lower), _STEP):
        part = slice(low, low + _STEP)
        _solve(np.ascontiguousarray(lower[part].T, np.float64), values[part], direction[part])
    return values, direction


def _solve(columns: Floats, values: Floats, direction: Floats) -> None:
    xx, xy, yy, xz, yz, zz = columns
    mean = (xx + yy + zz) / 3
    a, b, c = xx - mean, yy - mean, zz - mean
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6)
        determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
        cosine = np.clip(determinant / (2 * size * size * size), -1, 1)
        angle = np.arccos(cosine) / 3
        largest = 2 * size * np.cos(angle)
        smallest = 2 * size * np.cos(angle + 2 * np.pi / 3)
        a, b, c = a - largest, b - largest, c - largest
        vectors = _longest_normal(a, b, c, xy, xz, yz)
        for i, part in enumerate((smallest, -largest - smallest, largest)):
            values[:, i] = mean + part
        length = np.sqrt(sum(part * part for part in vectors))
        for i, part in enumerate(vectors):
            direction[:, i] = part / length
    # also where all eigenvalues are equal, or too large or small for the formula
    hard = ~((cosine > _NEAR) & (length > 0) & np.isfinite(length))
    if hard.any():
        values[hard], direction[hard] = _by_lapack(columns[:, hard])


def _longest_normal(
    a: Floats, b: Floats, c: Floats, xy: Floats, xz: Floats, yz: Floats
) -> list[Floats]:
    """Return the longest cross product of two rows: all three are along the eigenvector."""
    candidates = (
        (xy * yz - xz * b, xz * xy - a * yz, a * b - xy * xy),
        (xy * c - xz * yz, xz * xz - a * c, a * yz - xy * xz),
        (b * c - yz * yz, yz * xz - xy * c, xy * yz - b * xz),
    )
    best: list[Floats] = list(candidates[0])
    longest = sum(part * part for part in best)
    for other in candidates[1:]:
        length = sum(part * part for part in other)
        longer = length > longest
        best = [np.where(longer, new, old) for new, old in zip(other, best, strict=True)]
        longest = np.where(longer, length, longest)
    return best


def _by_lapack(columns: Floats) -> tuple[Floats, Floats]:
    from dipy.reconst.dti import from_lower_triangular

    # ascending eigenvalues, eigenvectors in columns
    values, vectors = np.linalg.eigh(from_lower_triangular(columns.T))
    return values, vectors[:, :, 2]
