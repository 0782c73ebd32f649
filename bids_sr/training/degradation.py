"""Degradation of high-resolution slices to low resolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from bids_sr.images.kspace import kspace_crop, kspace_downsample

_TAPER = 0.5
"""Fraction of Nyquist at which the Tukey window starts to fall."""


def box_downsample(hr: torch.Tensor, factor: int) -> torch.Tensor:
    """Average blocks of f x f pixels.

    Parameters
    ----------
    hr : torch.Tensor
        (..., f a, f b).
    factor : int
        In-plane factor.

    Returns
    -------
    torch.Tensor
        (..., a, b).
    """
    rows, columns = hr.shape[-2:]
    blocks = hr.reshape(*hr.shape[:-2], rows // factor, factor, columns // factor, factor)
    return blocks.mean(dim=(-3, -1))


def tukey_downsample(hr: torch.Tensor, factor: int) -> torch.Tensor:
    """Crop k-space and taper its outer half, like scanner filters against Gibbs ringing.

    Parameters
    ----------
    hr : torch.Tensor
        (..., f a, f b).
    factor : int
        In-plane factor.

    Returns
    -------
    torch.Tensor
        (..., a, b), magnitude. Along each axis, frequencies are weighted by a Tukey window: 1 up
        to half of Nyquist, then a cosine falling to 0 just beyond Nyquist.
    """
    small = kspace_crop(hr, factor)
    window = [torch.from_numpy(_tukey(n)).to(small) for n in small.shape[-2:]]
    spectrum = torch.fft.fft2(small) * window[0][:, None] * window[1]
    return torch.fft.ifft2(spectrum).real.abs()


def _tukey(n: int) -> np.ndarray:
    frequency = np.abs(np.fft.fftfreq(n)) * 2  # of Nyquist
    beyond = np.clip((frequency - _TAPER) / (1 + 2 / n - _TAPER), 0, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * beyond))


def resize_cubic_downsample(hr: torch.Tensor, factor: int) -> torch.Tensor:
    """Resize as in the paper: cubic convolution (a = -0.75) without anti-aliasing.

    Pixel-centre geometry and kernel match OpenCV's ``INTER_CUBIC``. At factor 3 this is almost
    pure decimation.

    Parameters
    ----------
    hr : torch.Tensor
        (..., f a, f b).
    factor : int
        In-plane factor.

    Returns
    -------
    torch.Tensor
        (..., a, b), clipped at 0 like a magnitude image.
    """
    rows, columns = hr.shape[-2:]
    flat = hr.reshape(-1, 1, rows, columns)
    small = functional.interpolate(
        flat,
        size=(rows // factor, columns // factor),
        mode="bicubic",
        align_corners=False,
        antialias=False,
    )
    return small.clamp_min(0).reshape(*hr.shape[:-2], rows // factor, columns // factor)


def coarsen(hr: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Downsample slices slightly, by a k-space crop to any size.

    Augments a small set of scans with other voxel sizes and a higher signal-to-noise ratio.

    Parameters
    ----------
    hr : torch.Tensor
        (..., A, B).
    shape : tuple of int
        (a, b), no larger than (A, B); the field of view is unchanged.

    Returns
    -------
    torch.Tensor
        (..., a, b), magnitude.
    """
    left, right = (
        torch.as_tensor(_crop(n, high), dtype=hr.dtype)
        for n, high in zip(shape, hr.shape[-2:], strict=True)
    )
    return (left @ hr @ right.mT).abs()


def _crop(n: int, high: int) -> np.ndarray:
    """Return the crop of one axis from `high` to `n` pixels as a matrix, (n, high).

    Like `bids_sr.images.kspace.crop_matrix`, but for sizes that are not multiples.
    """
    position = (np.arange(high) + 0.5) * n / high - 0.5
    distance = np.arange(n)[:, None] - position[None, :]
    kernel = np.ones_like(distance)
    for k in range(1, (n + 1) // 2):
        kernel += 2 * np.cos(2 * np.pi * k * distance / n)
    if n % 2 == 0 and n < high:
        kernel += 2 * np.cos(np.pi * distance)
    elif n % 2 == 0:
        kernel += np.cos(np.pi * distance)
    return kernel / high


DEGRADATIONS: dict[str, Callable[[torch.Tensor, int], torch.Tensor]] = {
    "kspace": kspace_downsample,
    "kspace-tukey": tukey_downsample,
    "box": box_downsample,
    "resize-cubic": resize_cubic_downsample,
}
"""Degradations by their name on the command line and in model cards."""


def add_rician_noise(
    lr: torch.Tensor, sigma: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Return the magnitude of `lr` plus complex Gaussian noise.

    Parameters
    ----------
    lr : torch.Tensor
        Non-negative, any shape.
    sigma : float
        Standard deviation of the real and of the imaginary part, in the units of `lr`.
    generator : torch.Generator, optional
        Source of randomness.

    Returns
    -------
    torch.Tensor
        Same shape as `lr`; see Gudbjartsson & Patz, Magn Reson Med 34, 910 (1995).
    """
    real, imaginary = torch.randn(2, *lr.shape, generator=generator, dtype=lr.dtype) * sigma
    return torch.hypot(lr + real, imaginary)
