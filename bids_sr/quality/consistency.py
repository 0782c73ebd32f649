"""Whether the super-resolved image, cut back to the acquired band, is still the input."""

from __future__ import annotations

import numpy as np
import torch
from attrs import define
from numpy.typing import NDArray

from bids_sr.images.kspace import kspace_crop

_BLOCK = 16
"""Slices processed at once: a large volume would be held in memory three times."""


def consistency_residual(
    sr: NDArray[np.float32], lr: NDArray[np.float32], factor: int
) -> NDArray[np.float32]:
    """Return ``D(SR) - LR``: the output cut back to the measured band, minus the input.

    Parameters
    ----------
    sr : numpy.ndarray
        (slices, f a, f b), super-resolved.
    lr : numpy.ndarray
        (slices, a, b), measured.
    factor : int
        In-plane factor.

    Returns
    -------
    numpy.ndarray
        (slices, a, b). D is `bids_sr.images.kspace.kspace_crop`, which keeps signs.
    """
    residual = np.empty(lr.shape, np.float32)
    for low in range(0, len(sr), _BLOCK):
        block = slice(low, low + _BLOCK)
        crop = kspace_crop(torch.from_numpy(np.ascontiguousarray(sr[block])), factor).numpy()
        np.subtract(crop, lr[block], out=residual[block])
    return residual


@define
class ResidualSums:
    """Sums over the residuals of one shell, accumulated volume by volume."""

    squares: float = 0.0
    """Sum of squares of the residual."""
    signed: float = 0.0
    """Sum of the residual."""
    reference_squares: float = 0.0
    """Sum of squares of the input."""
    reference: float = 0.0
    """Sum of the input."""
    count: int = 0
    """Voxels."""

    def add(self, residual: NDArray[np.float32], lr: NDArray[np.float32]) -> None:
        """Add the voxels of one volume.

        Parameters
        ----------
        residual, lr : numpy.ndarray
            (n,), residual and input in the mask.
        """
        r, measured = residual.astype(np.float64), lr.astype(np.float64)
        self.squares += float(r @ r)
        self.signed += float(r.sum())
        self.reference_squares += float(measured @ measured)
        self.reference += float(measured.sum())
        self.count += r.size

    @property
    def nrmse(self) -> float:
        """Root mean square of the residual over that of the input; NaN without input."""
        if self.reference_squares <= 0:
            return float("nan")
        return float(np.sqrt(self.squares / self.reference_squares))

    @property
    def rms(self) -> float:
        """Root mean square of the residual, in units of the image; NaN without voxels."""
        return float(np.sqrt(self.squares / self.count)) if self.count else float("nan")

    @property
    def bias(self) -> float:
        """Mean residual over mean input, + where the output is brighter; NaN without input."""
        return self.signed / self.reference if self.reference > 0 else float("nan")
