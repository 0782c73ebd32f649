"""Building blocks of the paper's network, with fastai's parameter names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class WeightNormConv2d(nn.Conv2d):
    """Convolution with weight = g v / |v|, stored as ``weight_g`` and ``weight_v`` [1]_.

    Parameters
    ----------
    inputs, outputs, size : int
        Input and output channels, and kernel side; padding preserves the image size.

    References
    ----------
    .. [1] Salimans & Kingma, "Weight normalization", NeurIPS 2016.
    """

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__(inputs, outputs, size, padding=size // 2)
        weight = self.weight.detach()
        del self.weight
        self.weight_g = nn.Parameter(weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1))
        self.weight_v = nn.Parameter(weight.clone())

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Convolve (batch, inputs, a, b)."""
        length = self.weight_v.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        weight = self.weight_v * (self.weight_g / length)
        return functional.conv2d(maps, weight, self.bias, padding=self.padding)


class SpectralNormConv1d(nn.Module):
    """1 x 1 convolution without bias, divided by its largest singular value [1]_.

    The singular vectors are buffers, updated by one power iteration per forward pass in
    training and left unchanged in eval mode.

    Parameters
    ----------
    inputs, outputs : int
        Input and output channels.

    References
    ----------
    .. [1] Miyato et al., "Spectral normalization for generative adversarial
       networks", ICLR 2018.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.empty(outputs, inputs, 1))
        nn.init.kaiming_normal_(self.weight_orig)
        self.weight_u = nn.Buffer(functional.normalize(torch.randn(outputs), dim=0))
        self.weight_v = nn.Buffer(functional.normalize(torch.randn(inputs), dim=0))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Convolve (batch, inputs, pixels)."""
        # in float32 whatever the layers compute in: a product of vectors takes no mixed types
        with torch.autocast(maps.device.type, enabled=False):
            largest = self._largest()
        return functional.conv1d(maps, self.weight_orig / largest)

    def _largest(self) -> torch.Tensor:
        """Return the largest singular value; in training, improve its vectors first."""
        matrix = self.weight_orig.flatten(1)
        if self.training:
            with torch.no_grad():
                v = functional.normalize(matrix.T @ self.weight_u, dim=0, eps=1e-12)
                self.weight_v.copy_(v)
                self.weight_u.copy_(functional.normalize(matrix @ v, dim=0, eps=1e-12))
        return torch.dot(self.weight_u.clone(), matrix @ self.weight_v.clone())


class SelfAttention(nn.Module):
    """Attention of every pixel to all others [1]_, added with a learned factor.

    Parameters
    ----------
    width : int
        Input and output channels.

    References
    ----------
    .. [1] Zhang et al., "Self-attention generative adversarial networks", ICML 2019.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Sequential(SpectralNormConv1d(width, width // 8))
        self.key = nn.Sequential(SpectralNormConv1d(width, width // 8))
        self.value = nn.Sequential(SpectralNormConv1d(width, width))
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Apply attention to (batch, width, a, b)."""
        flat = maps.flatten(2)
        scores = self.query(flat).transpose(1, 2) @ self.key(flat)
        mixed = self.value(flat) @ functional.softmax(scores, dim=1)
        return (self.gamma * mixed + flat).view(maps.shape)


def start_convolutions(network: nn.Module) -> None:
    """Initialise weight-normalised convolutions.

    He initialisation; convolutions before a pixel shuffle start with four equal kernels
    (ICNR [1]_), which avoids checkerboard artifacts before training. Biases start at zero.

    Parameters
    ----------
    network : torch.nn.Module
        Modified in place.

    References
    ----------
    .. [1] Aitken et al., "Checkerboard artifact free sub-pixel convolution",
       arXiv 1707.02937, 2017.
    """
    before_shuffle = set()
    for module in network.modules():
        children = list(module.children())
        if len(children) > 1 and isinstance(children[1], nn.PixelShuffle):
            before_shuffle |= set(children[0].children())
    for module in network.modules():
        if isinstance(module, WeightNormConv2d):
            _start(module, same=4 if module in before_shuffle else 1)


def _start(layer: WeightNormConv2d, same: int) -> None:
    with torch.no_grad():
        kernels = torch.empty_like(layer.weight_v[::same])
        nn.init.kaiming_normal_(kernels)
        layer.weight_v.copy_(kernels.repeat_interleave(same, dim=0))
        layer.weight_g.copy_(layer.weight_v.flatten(1).norm(dim=1).view(-1, 1, 1, 1))
        if layer.bias is not None:
            layer.bias.zero_()


def conv(
    inputs: int, outputs: int, size: int = 3, *, relu: bool = True, extra: Sequence[nn.Module] = ()
) -> nn.Sequential:
    """Return a weight-normalised convolution, a ReLU if requested, and any further layers."""
    layers: list[nn.Module] = [WeightNormConv2d(inputs, outputs, size)]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []), *extra)


def pixel_shuffle(inputs: int, outputs: int, *, blur: bool) -> nn.Sequential:
    """Return a 2x up-sampling: convolution, pixel shuffle, and 2 x 2 mean if `blur` [1]_.

    References
    ----------
    .. [1] Sugawara et al., "Super-resolution using convolutional neural networks
       without any checkerboard artifacts", ICIP 2018.
    """
    soften = [nn.ReplicationPad2d((1, 0, 1, 0)), nn.AvgPool2d(2, stride=1)] if blur else []
    return nn.Sequential(conv(inputs, 4 * outputs, 1), nn.PixelShuffle(2), *soften)


class UnetBlock(nn.Module):
    """Up-sampling, merging with the encoder's feature maps, and two convolutions.

    Parameters
    ----------
    below, beside : int
        Channels from the level below and from the encoder.
    outputs : int
        Output channels.
    attention : bool
        Whether self-attention follows.
    """

    def __init__(self, below: int, beside: int, outputs: int, *, attention: bool) -> None:
        super().__init__()
        self.shuf = pixel_shuffle(below, below // 2, blur=True)
        self.bn = nn.BatchNorm2d(beside)
        self.conv1 = conv(below // 2 + beside, outputs)
        extra = [SelfAttention(outputs)] if attention else []
        self.conv2 = conv(outputs, outputs, extra=extra)

    def forward(self, below: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        """Return (batch, outputs, a, b), with the height and width of `beside`."""
        fine = self.shuf(below)
        if fine.shape[-2:] != beside.shape[-2:]:
            fine = functional.interpolate(fine, beside.shape[-2:], mode="nearest")
        merged = functional.relu(torch.cat([fine, self.bn(beside)], dim=1))
        return self.conv2(self.conv1(merged))


class MergeBlock(nn.Module):
    """Residual block, applied after concatenation with the network input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convpath = nn.Sequential(conv(width, width), conv(width, width, relu=False))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps of the same shape."""
        return functional.relu(maps + self.convpath(maps))


class BasicBlock(nn.Module):
    """Residual block of ResNet18, with torchvision's names."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return (batch, outputs, a / stride, b / stride)."""
        same = maps if self.downsample is None else self.downsample(maps)
        inner = functional.relu(self.bn1(self.conv1(maps)))
        return functional.relu(same + self.bn2(self.conv2(inner)))


def resnet18_body(width: int = 64) -> nn.Sequential:
    """Return ResNet18 (He et al., CVPR 2016) without its final pooling and classifier.

    Parameters
    ----------
    width : int
        Channels of its first stage; 64 in the original ResNet18.

    Returns
    -------
    torch.nn.Sequential
    """
    widths = tuple(width * times for times in (1, 1, 2, 4, 8))
    stages = [
        nn.Sequential(BasicBlock(a, b, 1 if a == b else 2), BasicBlock(b, b, 1))
        for a, b in itertools.pairwise(widths)
    ]
    return nn.Sequential(
        nn.Conv2d(3, width, 7, 2, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        *stages,
    )
