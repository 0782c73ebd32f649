r"""The k-space operators between a low- and a high-resolution slice.

Both grids span the same field of view: a high-resolution pixel `X` lies at
:math:`x = (X - (f-1)/2)/f` low-resolution pixels. Along one axis with `n` low-
and `N = f n` high-resolution pixels,

- the *crop* :math:`D` keeps the central `n` of `N` frequencies and samples the
  result at the low-resolution pixel centres,
- the *zero-fill* :math:`U` pads `n` frequencies to `N`: sinc interpolation.

For even `n` the Nyquist frequency is the one term a real signal shares between
two bins. :math:`U` halves it over both, :math:`D` sums both, so that either
operator is real and :math:`D U = 1` holds exactly. Each is separable: a small matrix per axis
(Dirichlet kernels), which is exact for any size, odd or even, and fast on both GPU and CPU.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from bids_sr.images.band import keep_band


@lru_cache(maxsize=64)
def _kernel(n: int, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Return D (n, f n) and U (f n, n) of one axis, float64."""
    high = n * factor
    position = (np.arange(high) - (factor - 1) / 2) / factor
    distance = position[:, None] - np.arange(n)[None, :]
    inner = _dirichlet(distance, n)
    nyquist = np.cos(np.pi * distance) if n % 2 == 0 else np.zeros_like(distance)
    crop = (inner + 2 * nyquist).T / high
    fill = (inner + nyquist) / n
    return crop, fill


def _dirichlet(distance: np.ndarray, n: int) -> np.ndarray:
    """Return the Dirichlet kernel, ``1 + 2 sum cos(2 pi k x / n)`` over k below Nyquist.

    In closed form: a sum over thousands of frequencies would take minutes for large matrices.
    """
    terms = 2 * ((n + 1) // 2) - 1
    angle = np.pi * distance / n
    below = np.sin(angle)
    centre = np.abs(below) < 1e-12
    return np.where(centre, terms, np.sin(terms * angle) / np.where(centre, 1, below))


def crop_matrix(n: int, factor: int) -> np.ndarray:
    """Return the crop D of one axis.

    Parameters
    ----------
    n : int
        Low-resolution pixels along the axis.
    factor : int
        In-plane factor.

    Returns
    -------
    numpy.ndarray
        (n, factor * n), float64.
    """
    return _kernel(n, factor)[0]


def fill_matrix(n: int, factor: int) -> np.ndarray:
    """Return the zero-fill U (sinc interpolation) of one axis, (factor * n, n), float64."""
    return _kernel(n, factor)[1]


def kspace_crop(hr: torch.Tensor, factor: int) -> torch.Tensor:
    """Apply the linear crop D to high-resolution slices.

    Parameters
    ----------
    hr : torch.Tensor
        (..., f a, f b); both sides multiples of `factor`.
    factor : int
        In-plane factor.

    Returns
    -------
    torch.Tensor
        (..., a, b), same dtype and device; may be negative near sharp edges.

    Raises
    ------
    ValueError
        If a side is not a multiple of `factor`.
    """
    rows, columns = hr.shape[-2:]
    if rows % factor or columns % factor:
        raise ValueError(f"the sides of a {rows} x {columns} slice are not multiples of {factor}")
    left = _tensor(crop_matrix(rows // factor, factor), hr)
    right = _tensor(crop_matrix(columns // factor, factor), hr)
    return left @ hr @ right.mT


def kspace_downsample(hr: torch.Tensor, factor: int) -> torch.Tensor:
    """Return the magnitude image that a scanner would give for 1/f of the band: ``|D hr|``."""
    return kspace_crop(hr, factor).abs()


def sinc_upsample(lr: torch.Tensor, factor: int) -> torch.Tensor:
    """Interpolate low-resolution slices by zero-filling: U.

    Parameters
    ----------
    lr : torch.Tensor
        (..., a, b).
    factor : int
        In-plane factor.

    Returns
    -------
    torch.Tensor
        (..., f a, f b), same dtype and device.
    """
    rows, columns = lr.shape[-2:]
    left = _tensor(fill_matrix(rows, factor), lr)
    right = _tensor(fill_matrix(columns, factor), lr)
    return left @ lr @ right.mT


def data_consistency(
    sr: torch.Tensor, lr: torch.Tensor, factor: int, band: tuple[float, float] = (1.0, 1.0)
) -> torch.Tensor:
    """Replace the measured band of `sr` by the input's own: ``sr + U(lr - D sr)``.

    Parameters
    ----------
    sr : torch.Tensor
        (..., f a, f b) super-resolved slices.
    lr : torch.Tensor
        (..., a, b) measured slices.
    factor : int
        In-plane factor.
    band : tuple of float
        Measured fraction of the input's band, along a and b (`bids_sr.images.band`); `sr` is
        replaced only there.

    Returns
    -------
    torch.Tensor
        (..., f a, f b) with ``D(result) == lr`` inside the band, up to rounding.
    """
    difference = keep_band(lr - kspace_crop(sr, factor), band)
    return sr + sinc_upsample(difference, factor)


def _tensor(matrix: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(matrix, dtype=like.dtype, device=like.device)
