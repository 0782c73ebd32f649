"""What the other directions of a shell say of one: their smooth fit, or the nearest of them."""

from __future__ import annotations

import numpy as np

HARMONICS = "harmonics"
"""What spherical harmonics fitted to the shell give for a volume's direction."""
NEAREST = ("nearest_1", "nearest_2", "nearest_3")
"""The shell's volumes of the nearest directions, the nearest first."""
MIN_HARMONIC_DIRECTIONS = 20
"""Order 4 has 15 unknowns: with hardly more directions the fit would repeat the noise."""
_ORDER = 4
_SMOOTHING = 0.006


class HarmonicFit:
    """Even spherical harmonics of order 4, fitted to a shell volume by volume.

    Regularised by the Laplace-Beltrami operator with weight 0.006 (Descoteaux et al.,
    Magn Reson Med 58, 497, 2007).

    Parameters
    ----------
    directions : numpy.ndarray
        (V, 3), unit vectors of the shell's volumes.
    """

    def __init__(self, directions: np.ndarray) -> None:
        from dipy.reconst.shm import real_sh_descoteaux, smooth_pinv

        x, y, z = directions.T
        polar, azimuth = np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)
        basis, _, degrees = real_sh_descoteaux(_ORDER, polar, azimuth, legacy=False)
        penalty = np.sqrt(_SMOOTHING) * degrees * (degrees + 1)
        self._basis = basis.astype(np.float32)
        self._inverse = smooth_pinv(basis, penalty).astype(np.float32)
        self._coefficients: np.ndarray | None = None

    def add(self, row: int, volume: np.ndarray) -> None:
        """Take the volume of direction `row` into account."""
        if self._coefficients is None:
            self._coefficients = np.zeros((len(self._inverse), *volume.shape), np.float32)
        for coefficient, weight in zip(self._coefficients, self._inverse[:, row], strict=True):
            coefficient += weight * volume

    def predict(self, row: int) -> np.ndarray:
        """Return the fitted signal of direction `row`, not below 0."""
        if self._coefficients is None:
            raise ValueError("no volume was added")
        signal = np.tensordot(self._basis[row], self._coefficients, axes=1)
        return np.maximum(signal, 0)


def nearest(directions: np.ndarray) -> np.ndarray:
    """Return for each direction which others are nearest; opposite directions are one.

    Parameters
    ----------
    directions : numpy.ndarray
        (V, 3), unit vectors.

    Returns
    -------
    numpy.ndarray
        (V, 3), the nearest first; -1 where there are not as many others.
    """
    count, wanted = len(directions), len(NEAREST)
    likeness = np.abs(directions @ directions.T)
    np.fill_diagonal(likeness, -1.0)
    order = np.argsort(-likeness, axis=1, kind="stable")[:, : min(wanted, max(count - 1, 0))]
    found = np.full((count, wanted), -1)
    found[:, : order.shape[1]] = order
    return found
