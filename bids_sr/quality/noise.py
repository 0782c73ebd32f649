"""Noise and signal-to-noise ratio of the input; the noise of the output is correlated."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.diffusion.denoising import patches_without_noise

_PATCH_RADIUS = 2
"""Radius of the MP-PCA patches, voxels: they are 5 x 5 x 5."""
MIN_PCA_VOLUMES = 6
"""Volumes below which the spectrum of a patch cannot show the noise."""
MIN_BACKGROUND = 500
"""Background voxels below which PIESNO is not tried."""
_MAX_NEGATIVE = 0.05
"""Largest share of negative values in a magnitude background, possibly interpolated."""
_MAX_ZEROS = 0.05
"""Largest share of zeros in a background that has not been masked."""
_RAYLEIGH = 1.9131
"""Mean over standard deviation of the background of one coil, sqrt(pi / (4 - pi))."""
_RAYLEIGH_TOLERANCE = 0.15
_MIN_PURE = 0.2
"""Least share of the background that PIESNO must classify as pure noise."""


@frozen
class Noise:
    """Standard deviation of the noise, in units of the image."""

    mppca: float | None = None
    """In the brain, by MP-PCA."""
    piesno: float | None = None
    """In the background, by PIESNO."""
    note: str = ""
    """Why one of them is missing."""

    @property
    def sigma(self) -> float | None:
        """That of the brain if there is one, else that of the background."""
        return self.piesno if self.mppca is None else self.mppca


def estimate_noise(
    box: NDArray[np.floating], inside: NDArray[np.bool_], background: NDArray[np.floating]
) -> Noise:
    """Estimate the noise of a series from a sample of it, in two ways.

    Parameters
    ----------
    box : numpy.ndarray
        (x, y, z, V), a small box of brain.
    inside : numpy.ndarray
        (x, y, z) bool, the brain in it.
    background : numpy.ndarray
        (n, V), voxels well outside the brain.

    Returns
    -------
    Noise
    """
    mppca, first = mppca_sigma(box, inside)
    piesno, second = piesno_sigma(background)
    return Noise(mppca, piesno, " ".join(note for note in (first, second) if note))


def mppca_sigma(box: NDArray[np.floating], inside: NDArray[np.bool_]) -> tuple[float | None, str]:
    """Estimate the noise in brain by MP-PCA (Veraart et al. 2016, NeuroImage 142:394), by dipy.

    It assumes that noise is Gaussian and independent between voxels. Magnitude images
    are Rician: where the signal is about as low as the noise, the estimate is too
    small, down to 0.66 of the noise of each channel. Interpolation and filters of
    the scanner correlate noise and make it too small as well.

    Parameters
    ----------
    box : numpy.ndarray
        (x, y, z, V).
    inside : numpy.ndarray
        (x, y, z) bool, the brain.

    Returns
    -------
    sigma : float or None
        Median over the brain, in units of the image.
    note : str
        Why there is none.
    """
    from dipy.denoise.localpca import mppca

    if box.size == 0 or not inside.any():
        return None, "No estimate by MP-PCA: no brain to estimate it in."
    if box.shape[3] < MIN_PCA_VOLUMES:
        return None, f"No estimate by MP-PCA: it needs {MIN_PCA_VOLUMES} volumes."
    radius = np.minimum(_PATCH_RADIUS, (np.array(box.shape[:3]) - 1) // 2)
    with patches_without_noise():  # nor is there any in voxels that no patch reaches
        _, sigma = mppca(
            np.asarray(box, np.float32),
            mask=_centres(box.shape[:3], radius),
            patch_radius=radius,
            return_sigma=True,
            suppress_warning=True,
        )
    found = np.asarray(sigma)[inside]
    found = found[np.isfinite(found) & (found > 0)]
    if not found.size:
        return None, "No estimate by MP-PCA: no noise."
    return float(np.median(found)), ""


def _centres(shape: tuple[int, ...], radius: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Return every other voxel along each axis: patches around all voxels overlap far more."""
    centres = np.zeros(shape, bool)
    centres[tuple(slice(int(first), None, 2) for first in radius)] = True
    return centres


def piesno_sigma(background: NDArray[np.floating]) -> tuple[float | None, str]:
    """Estimate the noise in the background by PIESNO (Koay et al. 2009), by dipy.

    Holds for magnitude images of one coil, or of several that were combined
    with their phases (SENSE), whose background has not been masked: the noise
    there is Rayleigh distributed, which is tested. Not so in signed images. The
    estimate is that of the background; parallel imaging has more noise in the middle of
    the brain.

    Parameters
    ----------
    background : numpy.ndarray
        (n, V).

    Returns
    -------
    sigma : float or None
        Of the noise of each channel (real or imaginary), in units of the image.
    note : str
        Why there is none.
    """
    from dipy.denoise.noise_estimate import piesno

    refused = _refuse(background)
    if refused:
        return None, f"No estimate by PIESNO: {refused}."
    sigma, pure = piesno(background[:, None, None, :], N=1, return_mask=True)
    level = float(np.median(sigma))
    if not level > 0 or pure.mean() < _MIN_PURE:
        return None, "No estimate by PIESNO: too little of the background is pure noise."
    values = background[np.asarray(pure, bool).reshape(-1)]
    ratio = float(values.mean() / max(values.std(), 1e-12))
    if abs(ratio / _RAYLEIGH - 1) > _RAYLEIGH_TOLERANCE:
        return None, (
            "No estimate by PIESNO: the background is not distributed as the noise of one channel."
        )
    return level, ""


def _refuse(background: NDArray[np.floating]) -> str:
    if len(background) < MIN_BACKGROUND:
        return "there is too little background"
    if background.shape[1] < MIN_PCA_VOLUMES:
        return f"it needs {MIN_PCA_VOLUMES} volumes"
    if np.mean(background < 0) > _MAX_NEGATIVE:
        return "the scan is signed, its noise Gaussian and not Rician"
    if np.mean(background == 0) > _MAX_ZEROS:
        return "the background is masked"
    return ""
