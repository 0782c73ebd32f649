"""Series network: reads a slice of one shell, predicts the detail of all its directions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from bids_sr.networks.series_parts import L2_PARTS, PARTS
from bids_sr.networks.unet import UNet, conv, neighbourhoods

SLICES = 3
"""Slices read: the one to super-resolve and its two neighbours."""
_MEANS = PARTS - L2_PARTS
LIFT = 4.0
"""Scale of the l = 2 images: differences between directions are a fraction of the mean, and this
brings them to the magnitude that layer initialisation assumes."""
_SMALLEST = 1e-6


class DetailTrunk(UNet):
    """Low-resolution UNet whose heads predict f*f sub-pixels per pixel for several images.

    Besides adding detail directly, it predicts kernels for every sub-pixel, which are applied to
    some of the input images [1]_. Kernels are divided by the rms of the feature maps in their
    pixel [2]_, so that the output stays homogeneous in the input.

    Parameters
    ----------
    in_channels : int
        Number of input images.
    filtered : slice
        Input images to which kernels are applied; all are of the same kind as the output.
    factor : int
        In-plane factor f.
    width, depth, blocks, widest : int
        See `bids_sr.networks.unet.UNet`.
    taps : int
        Side of the kernels; 0 disables them.
    shared : bool
        Whether one kernel serves all images, each yielding its own output; otherwise each output
        has one kernel per image.

    References
    ----------
    .. [1] Mildenhall et al., "Burst denoising with kernel prediction networks", CVPR 2018.
    .. [2] Zhang & Sennrich, "Root mean square layer normalization", NeurIPS 2019.
    """

    def __init__(
        self,
        in_channels: int,
        filtered: slice,
        factor: int,
        *,
        width: int,
        depth: int,
        blocks: int,
        widest: int | None,
        taps: int,
        shared: bool,
    ) -> None:
        super().__init__(in_channels, width, depth, blocks, widest)
        self.factor, self.taps, self.shared, self.filtered = factor, taps, shared, filtered
        self.outputs = filtered.stop - filtered.start
        self.head = conv(width, self.outputs * factor**2)
        nn.init.zeros_(self.head.weight)
        if taps:
            each = 1 if shared else self.outputs**2
            self.kernels = conv(width, each * factor**2 * taps**2)
            nn.init.zeros_(self.kernels.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the detail of the images selected by `filtered`.

        Parameters
        ----------
        images : torch.Tensor
            (batch, in_channels, a, b); any sides >= 2.

        Returns
        -------
        torch.Tensor
            (batch, outputs, f a, f b). Sub-pixel (p, q) of pixel (i, j) is the
            high-resolution pixel (f i + p, f j + q).
        """
        rows, columns = images.shape[-2:]
        padded = self.padded(images)
        maps = self.maps(padded)
        fine = self.head(maps)
        if self.taps:
            fine = fine + self._filter(padded[:, self.filtered], maps)
        fine = functional.pixel_shuffle(fine, self.factor)
        return fine[..., : rows * self.factor, : columns * self.factor]

    def _filter(self, images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        batch, count, rows, columns = images.shape
        size = maps.float().square().mean(1, keepdim=True).sqrt() + _SMALLEST
        kernels = self.kernels(maps / size.to(maps.dtype))
        around = neighbourhoods(images, self.taps).to(kernels.dtype)
        if kernels.dtype != torch.float32:
            return self._products(kernels, around)
        # one output at a time: all together would be by far the largest array
        if self.shared:
            weights = kernels.view(batch, self.factor**2, self.taps**2, rows, columns)
            made = [(weights * around[:, image, None]).sum(2) for image in range(count)]
        else:
            around = around.flatten(1, 2)[:, None]
            each = kernels.view(batch, self.outputs, self.factor**2, -1, rows, columns)
            made = [(weights * around).sum(2) for weights in each.unbind(1)]
        return torch.cat(made, dim=1)

    def _products(self, kernels: torch.Tensor, around: torch.Tensor) -> torch.Tensor:
        """Apply kernels by one small matrix product per pixel, which is several times as fast.

        Not used for float32, where the different summation order would change earlier results.
        """
        each = kernels.permute(0, 2, 3, 1)
        near = around.permute(0, 3, 4, 1, 2)
        if self.shared:
            made = near @ each.unflatten(-1, (self.factor**2, -1)).mT
        else:
            wide = near.flatten(-2)[..., None]
            made = each.unflatten(-1, (-1, wide.shape[-2])) @ wide
        return made.flatten(-2).permute(0, 3, 1, 2)


class SeriesNetwork(nn.Module):
    """Predicts the detail of b0, mean and l = 2 coefficients of one shell.

    Differences between directions are learned poorly together with what the directions share, so
    there are two trunks: one for b0 and mean, one for the coefficients. Both read all images.

    Parameters
    ----------
    factor : int
        In-plane factor f.
    width, depth, blocks, widest, taps : int
        Trunk for b0 and mean, see `DetailTrunk`.
    l2_width, l2_depth, l2_widest, l2_taps : int
        Trunk for l = 2.
    """

    def __init__(
        self,
        factor: int = 2,
        width: int = 60,
        depth: int = 3,
        blocks: int = 1,
        widest: int | None = 240,
        taps: int = 3,
        l2_width: int = 48,
        l2_depth: int = 3,
        l2_widest: int | None = 192,
        l2_taps: int = 5,
    ) -> None:
        super().__init__()
        self.factor = factor
        self.means = DetailTrunk(
            SLICES * PARTS, slice(0, _MEANS), factor, width=width, depth=depth, blocks=blocks,
            widest=widest, taps=taps, shared=False,
        )  # fmt: skip
        self.l2 = DetailTrunk(
            SLICES * PARTS, slice(_MEANS, PARTS), factor, width=l2_width, depth=l2_depth,
            blocks=blocks, widest=l2_widest, taps=l2_taps, shared=True,
        )  # fmt: skip
        lift = torch.ones(PARTS)
        lift[_MEANS:] = LIFT
        self.lift = nn.Buffer(lift.repeat(SLICES)[:, None, None], persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the detail of the central slice's images.

        Parameters
        ----------
        images : torch.Tensor
            (batch, 3 * 7, a, b): b0, mean and five coefficients of the slice, then of the previous,
            then of the next; zero where missing. b0 in units of its bright tissue, the others in
            units of the shell's.

        Returns
        -------
        torch.Tensor
            (batch, 7, f a, f b), float32, in the same order and units.
        """
        images = images * self.lift
        means, l2 = self.means(images), self.l2(images)
        return torch.cat([means.float(), l2.float() / LIFT], dim=1)
