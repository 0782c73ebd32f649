"""The sub-pixel UNet: low-resolution channels in, high-resolution detail out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from bids_sr.images.kspace import sinc_upsample

_SLOPE = 0.1


class UNet(nn.Module):
    """Feature maps of an image at its own resolution.

    All layers are free of bias and of normalisation, so the network is homogeneous:
    scaling its input scales its output [1]_, whatever the scanner's gain. Down-sampling
    averages and up-sampling is bilinear, because strided and transposed convolutions are
    known to print lattices.

    Parameters
    ----------
    in_channels : int
        Channels read.
    width : int
        Feature maps at full resolution; doubled per level.
    depth : int
        Number of times the maps are halved.
    blocks : int
        Residual blocks per level.
    widest : int, optional
        No level has more maps; default: no limit.

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
        """Number of channels read."""
        return int(self.stem.weight.shape[1])

    def padded(self, channels: torch.Tensor) -> torch.Tensor:
        """Repeat the last rows and columns until the maps can be halved."""
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
    taps : int
        Side of the kernels that the network predicts for every sub-pixel and
        applies to the slice and to the other channels [2]_; 0 for none. What
        the kernels add is a weighted sum of measured neighbours, so the contrast
        between directions comes along with the detail.
    filtered : int, optional
        How many of the channels, from the first, the kernels are applied to; default all.

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
        """Return each slice's level, which `detail` needs of whole slices.

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
        """Return what is added to the sinc interpolation.

        Parameters
        ----------
        channels : torch.Tensor
            (batch, in_channels, a, b); any sides >= 2, odd ones too.
        level : torch.Tensor, optional
            From `level`, when `channels` are parts of slices.

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
        """Apply each pixel's kernels to the channels, (batch, f f, a, b)."""
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
            (batch, 1, f a, f b): the sinc interpolation, when `channels` are
            patches of slices that were interpolated whole.
        level : torch.Tensor, optional
            As for `detail`.

        Returns
        -------
        torch.Tensor
            (batch, 1, f a, f b), float32.
        """
        if interpolated is None:
            interpolated = sinc_upsample(channels[:, :1].float(), self.factor)
        return interpolated + self.detail(channels, level).float()


def _level(channels: torch.Tensor) -> torch.Tensor:
    """Return each sample's level: the mean over pixels, weighted by themselves.

    Kernels grow with the input as all maps do; dividing by the level keeps the
    network homogeneous. Weighting makes the share of background not count.
    """
    dims = (-3, -2, -1)
    total = channels.float().abs().sum(dims, keepdim=True).clamp_min(1e-6)
    level = channels.float().square().sum(dims, keepdim=True) / total
    return level.clamp_min(1e-12)  # an empty slice stays empty


class _Residual(nn.Module):
    """Two convolutions beside an identity."""

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
    """Return the taps x taps pixels around each pixel.

    Parameters
    ----------
    images : torch.Tensor
        (batch, n, a, b).
    taps : int
        Odd.

    Returns
    -------
    torch.Tensor
        (batch, n, taps * taps, a, b); beyond the edge the last pixel is repeated. In memory
        the numbers of a pixel lie side by side, as kernels do that a layer in channels-last
        order has predicted: multiplying the two is several times as fast.
    """
    count = images.shape[1]
    padded = functional.pad(images, (taps // 2,) * 4, mode="replicate")
    windows = padded.unfold(2, taps, 1).unfold(3, taps, 1).permute(0, 2, 3, 1, 4, 5)
    return windows.reshape(*windows.shape[:3], count, taps**2).permute(0, 3, 4, 1, 2)


def conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    """Return a convolution without bias that keeps the size."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
