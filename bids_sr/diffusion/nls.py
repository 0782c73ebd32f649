"""The nonlinear least squares fit of the tensor, for signals that have a sign."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEP = 1000
"""Voxels in one go."""
_ROUNDS = 50
_DAMPING = (1e-3, 0.2, 5.0)
"""At first, and what it is multiplied by when a step helped, or did not."""
_ENOUGH = 1e-8
"""Relative fall of the residual's sum of squares at which a voxel is done."""
_LARGEST = 5.0
"""Logarithm of a predicted signal over the mean b0, beyond which it is not followed."""

Floats = NDArray[np.float64]


def fit_nls(design: Floats, signals: NDArray[np.floating], start: Floats) -> Floats:
    """Fit signals themselves, not their logarithms, by Levenberg and Marquardt's way.

    The residual of a signed signal is Gaussian about the model at any
    signal-to-noise ratio, so this fit is as good as unbiased where that of the
    logarithm is not: negative signals have none. The model is that of dipy's
    ``NLLS`` fit (Koay et al. 2006, J Magn Reson 182:115), for all voxels at once.

    Parameters
    ----------
    design : numpy.ndarray
        (V, 7), dipy's design matrix.
    signals : numpy.ndarray
        (n, V), relative to the mean b0; any sign.
    start : numpy.ndarray
        (n, 7), where to begin: what `bids_sr.diffusion.wls.fit_wls` gives.

    Returns
    -------
    numpy.ndarray
        (n, 7), as `start`; what is not finite there stays so.
    """
    scale = np.abs(design).max(axis=0)
    scale[scale == 0] = 1
    fitted = start.copy()
    for low in range(0, len(signals), _STEP):
        part = slice(low, low + _STEP)
        fitted[part] = _descend(design / scale, signals[part], start[part] * scale) / scale
    return fitted


def _descend(columns: Floats, signals: NDArray[np.floating], start: Floats) -> Floats:
    size = columns.shape[1]
    products = (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    fitted, damping = start.copy(), np.full(len(start), _DAMPING[0])
    active = np.flatnonzero(np.isfinite(start).all(axis=1))
    for _ in range(_ROUNDS):
        if not active.size:
            break
        now, target = fitted[active], signals[active]
        predicted = _predict(columns, now)
        residual = target - predicted
        left = (predicted**2 @ products).reshape(-1, size, size)
        diagonal = np.einsum("nii->ni", left)
        diagonal *= 1 + damping[active, None]
        diagonal += 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-300
        right = (predicted * residual) @ columns
        trial = now + np.linalg.solve(left, right[..., None])[..., 0]
        before = (residual**2).sum(axis=1)
        after = ((target - _predict(columns, trial)) ** 2).sum(axis=1)
        better = after < before
        fitted[active[better]] = trial[better]
        damping[active] *= np.where(better, _DAMPING[1], _DAMPING[2])
        done = (better & (before - after <= _ENOUGH * before)) | (damping[active] > 1e12)
        active = active[~done]
    return fitted


def _predict(columns: Floats, values: Floats) -> Floats:
    return np.exp(np.minimum(values @ columns.T, _LARGEST))
