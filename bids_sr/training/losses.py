"""L1 plus feature loss on chosen layers of VGG16."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from bids_sr.errors import UsageError

LAYERS = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "relu5_3": 29}
"""Last activation before each max-pool: its index in torchvision's ``vgg16().features``."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class FeatureLoss(nn.Module):
    """Weighted L1 distance of VGG16 activations, each relative to the layer's rms.

    Activations differ by orders of magnitude between layers and between sets of
    weights; dividing each layer's difference by the rms of the target's
    activations makes the weights comparable.

    Parameters
    ----------
    weights : mapping of str to float
        Weight per layer, out of `LAYERS`.
    vgg16 : pathlib.Path, optional
        safetensors file with the convolutions, keyed as in torchvision (with or
        without ``features.``); default: torchvision's ``IMAGENET1K_V1``, downloaded.

    Raises
    ------
    UsageError
        If a layer is unknown, or the file lacks the convolutions up to the
        deepest layer.
    """

    def __init__(self, weights: Mapping[str, float], vgg16: Path | None = None) -> None:
        super().__init__()
        unknown = set(weights) - set(LAYERS)
        if unknown or not weights:
            raise UsageError(
                f"There is no VGG16 layer {', '.join(sorted(unknown)) or 'given'}.",
                remedy=f"Choose among {', '.join(LAYERS)}.",
            )
        self.weights = dict(sorted(weights.items(), key=lambda item: LAYERS[item[0]]))
        self.features = _vgg16_features(max(LAYERS[layer] for layer in weights), vgg16)
        self.features.requires_grad_(False)
        self.mean = nn.Buffer(torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.std = nn.Buffer(torch.tensor(_STD).view(1, 3, 1, 1))

    def activations(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the chosen activations.

        Parameters
        ----------
        images : torch.Tensor
            (batch, 1, A, B) in about [0, 1]; copied to three channels.

        Returns
        -------
        dict of str to torch.Tensor
            (batch, maps, A', B') per layer, shallow to deep.
        """
        maps = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        wanted = {LAYERS[layer]: layer for layer in self.weights}
        found = {}
        for index, module in enumerate(self.features):
            maps = module(maps)
            if index in wanted:
                found[wanted[index]] = maps
        return found

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum over layers.

        Parameters
        ----------
        output, target : torch.Tensor
            (batch, 1, A, B); no gradient flows to `target`.

        Returns
        -------
        torch.Tensor
            Scalar.
        """
        with torch.no_grad():
            expected = self.activations(target)
        terms = [
            self.weights[layer] * functional.l1_loss(maps, expected[layer]) / _rms(expected[layer])
            for layer, maps in self.activations(output).items()
        ]
        return torch.stack(terms).sum()


def directional_loss(
    output: torch.Tensor, target: torch.Tensor, weighted: torch.Tensor, directions: int
) -> torch.Tensor:
    """Return the L1 difference of what tells directions of one place apart.

    Both images are taken relative to their mean over the directions of the place:
    detail that all directions share does not count.

    Parameters
    ----------
    output, target : torch.Tensor
        (batch, 1, A, B), `directions` patches of each place one after another.
    weighted : torch.Tensor
        (batch,) bool; b0s do not take part.
    directions : int
        Patches per place; what is left over at the end of the batch is left out.

    Returns
    -------
    torch.Tensor
        Scalar.
    """
    places = len(output) // directions
    used = places * directions
    error = (output - target)[:used].unflatten(0, (places, directions))
    weights = weighted[:used].view(places, directions, 1, 1, 1).to(error.dtype)
    count = weights.sum(1, keepdim=True).clamp_min(1)
    apart = (error - (error * weights).sum(1, keepdim=True) / count).abs() * weights
    return apart.sum() / (weights.sum() * error[0, 0].numel()).clamp_min(1)


def _rms(maps: torch.Tensor) -> torch.Tensor:
    return maps.square().mean().sqrt().clamp_min(1e-12)


def _vgg16_features(last: int, path: Path | None) -> nn.Sequential:
    # torchvision costs seconds to import and is no dependency of the app
    from torchvision.models import VGG16_Weights, vgg16

    if path is None:
        return vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features[: last + 1].eval()
    features = vgg16(weights=None).features[: last + 1]
    stored = {k.removeprefix("features."): v.float() for k, v in load_file(path).items()}
    needed = features.state_dict().keys()
    missing = sorted(needed - stored.keys())
    if missing:
        raise UsageError(
            f"lacks {', '.join(missing)}.",
            file=path,
            remedy="Give a file that holds the convolutions up to the deepest layer asked for.",
        )
    features.load_state_dict({key: stored[key] for key in needed})
    return features.eval()
