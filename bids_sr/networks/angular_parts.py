"""Spherical harmonic decomposition of a shell's images: mean, l = 2, l = 4."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable

Floats = NDArray[np.float64]

B0 = "b0"
"""Name of the b0 volumes and of the only part they are split into."""
MEAN, L2, L4 = "mean", "l2", "l4"
"""Parts of a shell: the mean over directions, and the angular variation of degree 2 and 4."""
L2_DIRECTIONS = 6
"""Minimum number of directions for l = 2: its five functions plus the mean."""
L4_DIRECTIONS = 28
"""Number of directions from which l = 4 is also fitted: nearly twice the 15 functions."""
MAX_CONDITION = 10.0
"""Largest condition number of the design at which a shell's directions count as well spread:
1 for uniform coverage, 20 for directions within 30 degrees of one axis."""
_MAX_REPEATED = 15
"""Without an l = 2 fit, largest number of distinct directions at which repeats are used."""
_COLLINEAR = np.cos(np.deg2rad(1.0))


@frozen(eq=False)
class AngularModel:
    """Decomposition of the volumes of one shell, or of the b0s."""

    shell: str
    """``b0``, ``b1000``, ..."""
    bval: float
    """b-value, s/mm2; 0 for the b0s."""
    indices: NDArray[np.intp]
    """Indices of its V volumes."""
    design: Floats
    """(V, K): the K basis functions evaluated at the directions."""
    parts: Mapping[str, Floats]
    """(m, K) per part (`B0`, `MEAN`, `L2`, `L4`): coefficients, or sums of them."""
    freedom: int
    """Degrees of freedom of the residual, V - K; 0 if it carries no information on the noise."""

    @property
    def inverse(self) -> Floats:
        """Pseudo-inverse of the design, (K, V): maps volumes to coefficients."""
        return np.asarray(np.linalg.pinv(self.design), np.float64)

    def noise_gain(self, part: str) -> float:
        """Return the summed variance of a part's coefficients for volumes of unit variance."""
        return float(((self.parts[part] @ self.inverse) ** 2).sum())


def angular_models(gradients: GradientTable) -> tuple[AngularModel, ...]:
    """Choose the functions for the b0s and each shell of a series.

    The functions are real spherical harmonics, each with a root mean square of 1 over the sphere:
    l = 0 and l = 2, plus l = 4 from `L4_DIRECTIONS` directions on. Use only sums of squares over
    all functions of one l: these do not depend on the frame of the directions. With fewer than
    `L2_DIRECTIONS` well-spread directions, only the mean is fitted, and the noise is estimated
    from repeated directions alone.

    Parameters
    ----------
    gradients : GradientTable
        Gradient table of the series.

    Returns
    -------
    tuple of AngularModel
        b0s first, then the shells present, in ascending order of b.
    """
    b0s = np.flatnonzero(gradients.is_b0)
    models = []
    if b0s.size:
        same, parts = np.ones((b0s.size, 1)), {B0: np.eye(1)}
        models.append(AngularModel(B0, 0.0, b0s, same, parts, b0s.size - 1))
    for shell in gradients.shells:
        functions = _functions(gradients.bvecs[shell.indices])
        models.append(AngularModel(f"b{shell.bval:.0f}", shell.bval, shell.indices, *functions))
    return tuple(models)


def harmonics(vectors: Floats, order: int) -> tuple[Floats, NDArray[np.intp]]:
    """Return real spherical harmonics of even degree, with a root mean square of 1 over the sphere.

    Descoteaux et al. 2007, Magn Reson Med 58:497, as implemented in dipy, times sqrt(4 pi).

    Parameters
    ----------
    vectors : numpy.ndarray
        (n, 3), unit vectors.
    order : int
        Largest degree l.

    Returns
    -------
    values : numpy.ndarray
        (n, K).
    degrees : numpy.ndarray
        (K,), degree l of each function.
    """
    from dipy.core.geometry import cart2sphere
    from dipy.reconst.shm import real_sh_descoteaux

    _, theta, phi = cart2sphere(*vectors.T)
    values, _, degrees = real_sh_descoteaux(order, theta, phi, legacy=False)
    return np.asarray(values) * np.sqrt(4 * np.pi), np.asarray(degrees)


def _functions(vectors: Floats) -> tuple[Floats, Mapping[str, Floats], int]:
    """Return the design, the parts and the residual degrees of freedom of a shell."""
    same = np.abs(vectors @ vectors.T) > _COLLINEAR
    first = np.argmax(same, axis=1)  # the first volume of the same direction
    distinct = np.unique(first)
    for order, least in ((4, L4_DIRECTIONS), (2, L2_DIRECTIONS)):
        if distinct.size >= least:
            design, degrees = harmonics(vectors, order)
            if np.linalg.cond(design) <= MAX_CONDITION:
                rows, names = np.eye(len(degrees)), {0: MEAN, 2: L2, 4: L4}
                parts = {names[d]: rows[degrees == d] for d in range(0, order + 1, 2)}
                return design, parts, len(vectors) - len(degrees)
    repeats = len(vectors) - distinct.size
    if repeats and distinct.size <= _MAX_REPEATED:
        design = (first[:, None] == distinct).astype(np.float64)
        return design, {MEAN: design.mean(axis=0, keepdims=True)}, repeats
    # here the residual is the difference between directions, not noise
    return np.ones((len(vectors), 1)), {MEAN: np.eye(1)}, 0
