"""The sub-pixel UNet: low-resolution channels in, high-resolution detail out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from bids_sr.images.kspace import sinc_upsample

_SLOPE = 0.1


class SubPixelUNet(nn.Module):
    """UNet at low resolution whose head gives f*f sub-pixels per pixel.

    The output is the sinc interpolation of the first channel plus what the
    network adds; a fresh network adds nothing. All layers are free of bias and
    of normalisation, so the network is homogeneous: scaling its input scales its
    output [1]_, whatever the scanner's gain. Down-sampling averages and
    up-sampling is bilinear, because strided and transposed convolutions are
    known to print lattices.

    Parameters
    ----------
    in_channels : int
        Channels read; the first is the slice itself.
    factor : int
        In-plane factor f.
    width : int
        Feature maps at full (low) resolution; doubled per level.
    depth : int
        Number of times the maps are halved.
    blocks : int
        Residual blocks per level.

    References
    ----------
    .. [1] Mohan et al., "Robust and interpretable blind image denoising via
       bias-free convolutional neural networks", ICLR 2020.
    """

    def __init__(
        self,
        in_channels: int = 4,
        factor: int = 2,
        width: int = 48,
        depth: int = 2,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        self.factor = factor
        self.depth = depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.stem = _conv(in_channels, width)
        self.encoders = nn.ModuleList(_stage(w, blocks) for w in widths)
        self.widen = nn.ModuleList(_conv(a, b, 1) for a, b in pairwise(widths))
        self.narrow = nn.ModuleList(_conv(b + a, a, 1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_stage(w, blocks) for w in widths[:-1])
        self.head = _conv(width, factor * factor)
        nn.init.zeros_(self.head.weight)

    @property
    def in_channels(self) -> int:
        """Number of channels read."""
        return int(self.stem.weight.shape[1])

    def detail(self, channels: torch.Tensor) -> torch.Tensor:
        """Return what is added to the sinc interpolation.

        Parameters
        ----------
        channels : torch.Tensor
            (batch, in_channels, a, b); any sides >= 2, odd ones too.

        Returns
        -------
        torch.Tensor
            (batch, 1, f a, f b). Sub-pixel (p, q) of pixel (i, j) is the
            high-resolution pixel (f i + p, f j + q), as `images.kspace` places it.
        """
        rows, columns = channels.shape[-2:]
        unit = 2**self.depth
        padding = (0, -columns % unit, 0, -rows % unit)
        maps = self.stem(functional.pad(channels, padding, mode="replicate"))
        skips = []
        for level in range(self.depth):
            maps = self.encoders[level](maps)
            skips.append(maps)
            maps = self.widen[level](functional.avg_pool2d(maps, 2))
        maps = self.encoders[self.depth](maps)
        for level in reversed(range(self.depth)):
            maps = functional.interpolate(
                maps, scale_factor=2, mode="bilinear", align_corners=False
            )
            maps = self.narrow[level](torch.cat([maps, skips[level]], dim=1))
            maps = self.decoders[level](maps)
        fine = functional.pixel_shuffle(self.head(maps), self.factor)
        return fine[..., : rows * self.factor, : columns * self.factor]

    def forward(
        self, channels: torch.Tensor, interpolated: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Super-resolve a batch.

        Parameters
        ----------
        channels : torch.Tensor
            (batch, in_channels, a, b).
        interpolated : torch.Tensor, optional
            (batch, 1, f a, f b): the sinc interpolation, when `channels` are
            patches of slices that were interpolated whole.

        Returns
        -------
        torch.Tensor
            (batch, 1, f a, f b), float32.
        """
        if interpolated is None:
            interpolated = sinc_upsample(channels[:, :1].float(), self.factor)
        return interpolated + self.detail(channels).float()


class _Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = _conv(width, width)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        inner = functional.leaky_relu(self.first(maps), _SLOPE)
        return functional.leaky_relu(maps + self.second(inner), _SLOPE)


def _stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(blocks)))


def _conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
