"""The nonlinear least squares fit of the tensor, for signed signals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit_nls(design: Floats, signals: NDArray[np.floating], start: Floats) -> Floats:
    """Fit signals themselves, not their logarithms, as dipy's ``NLLS`` does.

    The residual of a signed signal is Gaussian at any signal-to-noise ratio, so this fit is nearly
    unbiased where that of the logarithm, which negative signals do not have, is not (Koay et al.
    2006, J Magn Reson 182:115). dipy starts from a fit of the logarithm; here the start is given.

    Parameters
    ----------
    design : numpy.ndarray
        (V, 7), dipy's design matrix.
    signals : numpy.ndarray
        (n, V), relative to the mean b0; any sign.
    start : numpy.ndarray
        (n, 7), initial values, from `bids_sr.diffusion.wls.fit_wls`.

    Returns
    -------
    numpy.ndarray
        (n, 7), as `start`; voxels that are not finite there remain so.
    """
    from dipy.reconst.dti import nlls_fit_tensor

    fitted = start.copy()
    good = np.isfinite(start).all(axis=1)
    if good.any():
        with np.errstate(
            over="ignore"
        ):  # overflow in a step that is too large, which the solver then reduces
            fitted[good], _ = nlls_fit_tensor(
                design,
                signals[good].astype(np.float64),
                init_params=start[good],
                return_lower_triangular=True,
            )
    return fitted
