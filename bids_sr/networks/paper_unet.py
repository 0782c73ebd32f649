"""Network of Lohr & Werner (2026): fastai's DynamicUnet on ResNet18, without fastai."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from bids_sr.networks.paper_blocks import (
    MergeBlock,
    UnetBlock,
    WeightNormConv2d,
    conv,
    pixel_shuffle,
    resnet18_body,
    start_convolutions,
)

MIN_SIDE = 20
"""Smallest side, in high-resolution pixels, that allows the encoder's five halvings."""

_RANGE = (-3.0, 3.0)
"""Output range, imposed by a sigmoid."""

_SKIPS = (2, 4, 5, 6)
"""Encoder layers after which the resolution changes."""


class PaperUNet(nn.Module):
    """The network that fastai's ``unet_learner`` builds in the paper.

    ResNet18 encoder, blurred PixelShuffle up-sampling, weight normalisation, self-attention,
    output in (-3, 3). Parameter names and order match fastai, so that its state dicts load
    key by key.

    Parameters
    ----------
    outputs : int
        Output channels.
    width : int
        Channels of the encoder's first stage, a multiple of 16; all other widths scale with it.
        The paper uses 64.
    """

    def __init__(self, outputs: int = 3, width: int = 64) -> None:
        super().__init__()
        deep, last = 8 * width, 3 * width // 2
        middle = nn.Sequential(conv(deep, 2 * deep), conv(2 * deep, deep))
        merged = last + 3
        self.layers = nn.ModuleList(
            [
                resnet18_body(width),
                nn.BatchNorm2d(deep),
                nn.ReLU(),
                middle,
                UnetBlock(deep, 4 * width, 8 * width, attention=False),
                UnetBlock(8 * width, 2 * width, 6 * width, attention=True),
                UnetBlock(6 * width, width, 4 * width, attention=False),
                UnetBlock(4 * width, width, last, attention=False),
                pixel_shuffle(last, last, blur=False),
                # in fastai, two layers without parameters: resize to the input, and merge with it
                nn.Identity(),
                nn.Identity(),
                MergeBlock(merged),
                conv(merged, outputs, 1, relu=False),
            ]
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (batch, outputs, A, B).

        Parameters
        ----------
        images : torch.Tensor
            (batch, 3, A, B) in [0, 1]; both sides at least `MIN_SIDE`.
        """
        encoder, norm, relu, middle = self.layers[:4]
        maps, skips = images, []
        for index, layer in enumerate(encoder.children()):
            maps = layer(maps)
            if index in _SKIPS:
                skips.append(maps)
        maps = middle(relu(norm(maps)))
        for block in self.layers[4:8]:
            maps = block(maps, skips.pop())
        maps = self.layers[8](maps)
        if maps.shape[-2:] != images.shape[-2:]:
            maps = functional.interpolate(maps, images.shape[-2:], mode="nearest")
        maps = self.layers[11](torch.cat([maps, images], dim=1))
        low, high = _RANGE
        # in float16 the sigmoid allows only 34 different outputs between 0.9 and 1
        with torch.autocast(maps.device.type, enabled=False):
            last = self.layers[12](maps.to(torch.promote_types(maps.dtype, torch.float32)))
        return torch.sigmoid(last) * (high - low) + low


def start_paper_network(network: nn.Module, *, from_interpolation: bool = False) -> None:
    """Initialise a paper network's decoder as fastai does.

    He initialisation for weight-normalised convolutions; those before a pixel shuffle start
    with four equal kernels (`start_convolutions`). Encoder layers keep torch's initialisation;
    the paper uses ImageNet weights there.

    Parameters
    ----------
    network : torch.nn.Module
        Modified in place if it contains a `PaperUNet`.
    from_interpolation : bool
        Start as the identity on the interpolated slice: the decoder's feature maps initially
        have no weight, so that a short training does not start from a decoder pattern.
    """
    for module in network.modules():
        if isinstance(module, PaperUNet):
            start_convolutions(module)
            if from_interpolation:
                _start_as_input(module)


def _start_as_input(network: PaperUNet) -> None:
    last = network.layers[12].get_submodule("0")
    inner = network.layers[11].get_submodule("convpath.1.0")
    assert isinstance(last, WeightNormConv2d)
    assert isinstance(inner, WeightNormConv2d)
    low, high = _RANGE
    # near zero the sigmoid's output is its argument times a quarter of the range
    slope = 4 / (high - low)
    with torch.no_grad():
        inner.weight_g.zero_()
        last.weight_v.zero_()
        last.weight_v[:, -3:] = slope / 3
        last.weight_g.copy_(last.weight_v.flatten(1).norm(dim=1).view(-1, 1, 1, 1))


class PaperSuperResolver(nn.Module):
    """The paper's network with this package's interface: low-resolution in, high-resolution out.

    The slice is interpolated bilinearly and copied to three channels; the result is channel 0
    of the output. In the paper's training, the interpolation aligned corners whereas the targets
    had pixel-centre geometry: content was displaced by -(f-1)/2 to +(f-1)/2 high-resolution
    pixels across the field of view, zero on average. A convolutional network does not know a
    pixel's position in the field of view, so it learned no net shift. Here it reads the
    pixel-centre interpolation, which matches the geometry of the output.

    Parameters
    ----------
    factor : int
        In-plane factor f.
    width : int
        Width of the `PaperUNet`.
    """

    def __init__(self, factor: int, width: int = 64) -> None:
        super().__init__()
        self.factor = factor
        self.in_channels = 1
        self.network = PaperUNet(width=width)

    def forward(
        self,
        channels: torch.Tensor,
        interpolated: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Super-resolve a batch.

        Parameters
        ----------
        channels : torch.Tensor
            (batch, 1, a, b), scaled to [0, 1] over the whole scan.
        interpolated : torch.Tensor, optional
            Ignored: the network does its own interpolation.

        Returns
        -------
        torch.Tensor
            (batch, 1, f a, f b), float32.
        """
        fine = functional.interpolate(
            channels[:, :1], scale_factor=self.factor, mode="bilinear", align_corners=False
        )
        rows, columns = fine.shape[-2:]
        missing = (0, max(0, MIN_SIDE - columns), 0, max(0, MIN_SIDE - rows))
        padded = functional.pad(fine, missing, mode="replicate")
        output = self.network(padded.expand(-1, 3, -1, -1))
        return output[:, :1, :rows, :columns].float()
