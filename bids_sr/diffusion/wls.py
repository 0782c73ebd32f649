"""The weighted least squares fit of the tensor, by its normal equations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_STEP = 1000
"""Voxels per batch: their 49 numbers each fit into the processor's cache."""


def fit_wls(design: Floats, signals: Floats) -> NDArray[np.float64]:
    """Fit the logarithm of signals by least squares in two passes.

    The weights of the second pass are the squared signals predicted by the first, unweighted one
    [1]_. dipy's ``wls_fit_tensor`` does the same by a singular value decomposition for each voxel.
    Here the 7 x 7 normal equations are solved, which is much faster; dipy is used only where they
    are singular.

    Parameters
    ----------
    design : numpy.ndarray
        (V, 7), dipy's design matrix.
    signals : numpy.ndarray
        (n, V), above zero.

    Returns
    -------
    numpy.ndarray
        (n, 7): the tensor's lower triangle in dipy's order, mm2/s, and the negative
        logarithm of S0.

    References
    ----------
    .. [1] Chung, Lu and Henry, "Comparison of bootstrap approaches for estimation of
       uncertainties of DTI parameters", NeuroImage 33:531, 2006.
    """
    # with unscaled b-values, columns differ a thousandfold: their squares would lose precision
    scale = np.abs(design).max(axis=0)
    scale[scale == 0] = 1
    columns = design / scale
    unweighted = np.linalg.pinv(columns)
    products = (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    fitted = np.empty((len(signals), columns.shape[1]))
    for low in range(0, len(signals), _STEP):
        part = signals[low : low + _STEP]
        logarithms = np.log(part.astype(np.float64))
        weights = np.exp(2 * (logarithms @ unweighted.T @ columns.T))
        try:
            fitted[low : low + _STEP] = _solve(columns, products, weights, logarithms) / scale
        except np.linalg.LinAlgError:
            fitted[low : low + _STEP] = _by_dipy(design, part)
    return fitted


def _solve(columns: Floats, products: Floats, weights: Floats, logarithms: Floats) -> Floats:
    size = columns.shape[1]
    left = (weights @ products).reshape(-1, size, size)
    right = (weights * logarithms) @ columns
    solved: Floats = np.linalg.solve(left, right[..., None])[..., 0]
    return solved


def _by_dipy(design: Floats, signals: Floats) -> Floats:
    from dipy.reconst.dti import wls_fit_tensor

    fitted: Floats
    fitted, _ = wls_fit_tensor(design, signals, return_lower_triangular=True, step=_STEP)
    return fitted
