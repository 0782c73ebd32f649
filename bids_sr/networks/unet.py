"""Sub-pixel UNet: low-resolution channels in, high-resolution detail out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from bids_sr.images.kspace import sinc_upsample

_SLOPE = 0.1


class UNet(nn.Module):
    """UNet that returns feature maps at the resolution of its input.

    Layers have neither bias nor normalisation, so the network is homogeneous: scaling its input
    scales its output [1]_, whatever the scanner's gain. Down-sampling averages and up-sampling is
    bilinear, because strided and transposed convolutions are known to cause checkerboard artifacts.

    Parameters
    ----------
    in_channels : int
        Number of input channels.
    width : int
        Feature maps at full resolution; doubled at each level.
    depth : int
        Number of down-sampling steps.
    blocks : int
        Residual blocks per level.
    widest : int, optional
        Upper limit of the feature maps per level; default: no limit.

    References
    ----------
    .. [1] Mohan et al., "Robust and interpretable blind image denoising via
       bias-free convolutional neural networks", ICLR 2020.
    """

    def __init__(
        self, in_channels: int, width: int, depth: int, blocks: int = 1, widest: int | None = None
    ) -> None:
        super().__init__()
        self.depth = depth
        widths = [min(width * 2**level, widest or 2**30) for level in range(depth + 1)]
        self.stem = conv(in_channels, width)
        self.encoders = nn.ModuleList(_stage(w, blocks) for w in widths)
        self.widen = nn.ModuleList(conv(a, b, 1) for a, b in pairwise(widths))
        self.narrow = nn.ModuleList(conv(b + a, a, 1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_stage(w, blocks) for w in widths[:-1])

    @property
    def in_channels(self) -> int:
        """Number of input channels."""
        return int(self.stem.weight.shape[1])

    def padded(self, channels: torch.Tensor) -> torch.Tensor:
        """Repeat the last rows and columns until the sides are divisible by the down-sampling."""
        rows, columns = channels.shape[-2:]
        unit = 2**self.depth
        return functional.pad(channels, (0, -columns % unit, 0, -rows % unit), mode="replicate")

    def maps(self, channels: torch.Tensor) -> torch.Tensor:
        """Return the feature maps.

        Parameters
        ----------
        channels : torch.Tensor
            (batch, in_channels, a, b), from `padded`.

        Returns
        -------
        torch.Tensor
            (batch, width, a, b).
        """
        maps = self.stem(channels)
        skips = []
        for halving in range(self.depth):
            maps = self.encoders[halving](maps)
            skips.append(maps)
            maps = self.widen[halving](functional.avg_pool2d(maps, 2))
        maps = self.encoders[self.depth](maps)
        for halving in reversed(range(self.depth)):
            maps = functional.interpolate(
                maps, scale_factor=2, mode="bilinear", align_corners=False
            )
            maps = self.narrow[halving](torch.cat([maps, skips[halving]], dim=1))
            maps = self.decoders[halving](maps)
        return maps


class SubPixelUNet(UNet):
    """Low-resolution UNet whose head predicts f*f sub-pixels per pixel.

    The output is the sinc interpolation of the first channel plus the predicted detail; an
    untrained network adds nothing. Layers have neither bias nor normalisation, so the network is
    homogeneous: scaling its input scales its output [1]_, whatever the scanner's gain.
    Down-sampling averages and up-sampling is bilinear, because strided and transposed
    convolutions are known to cause checkerboard artifacts.

    Parameters
    ----------
    in_channels : int
        Number of input channels; the first is the slice itself.
    factor : int
        In-plane factor f.
    width : int
        Feature maps at full (low) resolution; doubled at each level.
    depth : int
        Number of down-sampling steps.
    blocks : int
        Residual blocks per level.
    taps : int
        Side of the kernels predicted for every sub-pixel and applied to the slice and the other
        channels [2]_; 0 disables them. The kernels add a weighted sum of measured neighbours, so
        the detail keeps the contrast between directions.
    filtered : int, optional
        Number of leading channels to which the kernels are applied; default: all.

    References
    ----------
    .. [1] Mohan et al., "Robust and interpretable blind image denoising via
       bias-free convolutional neural networks", ICLR 2020.
    .. [2] Mildenhall et al., "Burst denoising with kernel prediction networks",
       CVPR 2018.
    """

    def __init__(
        self,
        in_channels: int = 4,
        factor: int = 2,
        width: int = 48,
        depth: int = 2,
        blocks: int = 1,
        taps: int = 0,
        filtered: int | None = None,
    ) -> None:
        super().__init__(in_channels, width, depth, blocks)
        self.filtered = in_channels if filtered is None else filtered
        self.factor = factor
        self.taps = taps
        self.head = conv(width, factor * factor)
        nn.init.zeros_(self.head.weight)
        if taps:
            self.kernels = conv(width, factor * factor * self.filtered * taps * taps)
            nn.init.zeros_(self.kernels.weight)

    def level(self, channels: torch.Tensor) -> torch.Tensor | None:
        """Return the level of each slice, which `detail` needs if given patches.

        Parameters
        ----------
        channels : torch.Tensor
            (batch, in_channels, a, b).

        Returns
        -------
        torch.Tensor or None
            (batch, 1, 1, 1); None if the network predicts no kernels.
        """
        return _level(channels) if self.taps else None

    def detail(self, channels: torch.Tensor, level: torch.Tensor | None = None) -> torch.Tensor:
        """Return the detail added to the sinc interpolation.

        Parameters
        ----------
        channels : torch.Tensor
            (batch, in_channels, a, b); any sides >= 2, odd ones too.
        level : torch.Tensor, optional
            Result of `level`, if `channels` are patches of slices.

        Returns
        -------
        torch.Tensor
            (batch, 1, f a, f b). Sub-pixel (p, q) of pixel (i, j) is the
            high-resolution pixel (f i + p, f j + q), as `images.kspace` places it.
        """
        rows, columns = channels.shape[-2:]
        padded = self.padded(channels)
        maps = self.maps(padded)
        fine = self.head(maps)
        if self.taps:
            level = _level(padded) if level is None else level
            fine = fine + self._filtered(padded, self.kernels(maps)) / level
        fine = functional.pixel_shuffle(fine, self.factor)
        return fine[..., : rows * self.factor, : columns * self.factor]

    def _filtered(self, channels: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        """Apply each pixel's kernels to the channels; returns (batch, f f, a, b)."""
        batch, _, rows, columns = channels.shape
        around = neighbourhoods(channels[:, : self.filtered], self.taps)
        around = around.view(batch, 1, -1, rows, columns)
        weights = kernels.view(batch, -1, self.filtered * self.taps**2, rows, columns)
        return (weights * around).sum(2)

    def forward(
        self,
        channels: torch.Tensor,
        interpolated: torch.Tensor | None = None,
        level: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Super-resolve a batch.

        Parameters
        ----------
        channels : torch.Tensor
            (batch, in_channels, a, b).
        interpolated : torch.Tensor, optional
            (batch, 1, f a, f b): the sinc interpolation, if `channels` are patches of slices that
            were interpolated as a whole.
        level : torch.Tensor, optional
            See `detail`.

        Returns
        -------
        torch.Tensor
            (batch, 1, f a, f b), float32.
        """
        if interpolated is None:
            interpolated = sinc_upsample(channels[:, :1].float(), self.factor)
        return interpolated + self.detail(channels, level).float()


def _level(channels: torch.Tensor) -> torch.Tensor:
    """Return each sample's level: the intensity-weighted mean over pixels.

    Kernels scale with the input, as all feature maps do; dividing by the level keeps the network
    homogeneous. Because of the weighting, the share of background has no influence.
    """
    dims = (-3, -2, -1)
    total = channels.float().abs().sum(dims, keepdim=True).clamp_min(1e-6)
    level = channels.float().square().sum(dims, keepdim=True) / total
    return level.clamp_min(1e-12)  # an empty slice stays empty


class _Residual(nn.Module):
    """Two convolutions with an identity shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = conv(width, width)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        inner = functional.leaky_relu(self.first(maps), _SLOPE)
        return functional.leaky_relu(maps + self.second(inner), _SLOPE)


def _stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(blocks)))


def neighbourhoods(images: torch.Tensor, taps: int) -> torch.Tensor:
    """Return the taps x taps neighbourhood of each pixel.

    Parameters
    ----------
    images : torch.Tensor
        (batch, n, a, b).
    taps : int
        Side of the neighbourhood, odd.

    Returns
    -------
    torch.Tensor
        (batch, n, taps * taps, a, b); edge pixels are repeated beyond the border. The values of a
        pixel are contiguous in memory, as are kernels predicted by a layer in channels-last
        order: multiplying the two is several times as fast.
    """
    count = images.shape[1]
    padded = functional.pad(images, (taps // 2,) * 4, mode="replicate")
    windows = padded.unfold(2, taps, 1).unfold(3, taps, 1).permute(0, 2, 3, 1, 4, 5)
    return windows.reshape(*windows.shape[:3], count, taps**2).permute(0, 3, 4, 1, 2)


def conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    """Return a convolution without bias that preserves the image size."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
