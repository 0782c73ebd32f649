"""The nonlinear least squares fit of the tensor, for signals that have a sign."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit_nls(design: Floats, signals: NDArray[np.floating], start: Floats) -> Floats:
    """Fit signals themselves, not their logarithms, as dipy's ``NLLS`` does.

    The residual of a signed signal is Gaussian about the model at any
    signal-to-noise ratio, so this fit is as good as unbiased where that of the
    logarithm is not: negative signals have none (Koay et al. 2006, J Magn Reson
    182:115). dipy's own start is such a fit; here it is given.

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
    from dipy.reconst.dti import nlls_fit_tensor

    fitted = start.copy()
    good = np.isfinite(start).all(axis=1)
    if good.any():
        with np.errstate(over="ignore"):  # a step too far, from which it comes back
            fitted[good], _ = nlls_fit_tensor(
                design,
                signals[good].astype(np.float64),
                init_params=start[good],
                return_lower_triangular=True,
            )
    return fitted
