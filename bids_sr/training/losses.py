"""Feature loss on selected layers of VGG16."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from bids_sr.errors import UsageError

LAYERS = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "relu5_3": 29}
"""Last activation before each max-pool: its index in torchvision's ``vgg16().features``."""
NETWORKS = {
    "vgg16": LAYERS,
    "vgg16_bn": {"relu1_2": 5, "relu2_2": 12, "relu3_3": 22, "relu4_3": 32, "relu5_3": 42},
}
"""The same activations in each feature network; ``vgg16_bn``, as in the article, applies batch
normalisation before them."""
MAX_ROLL = 15
"""Largest useful shift: larger ones repeat on the grid of four 2 x 2 poolings."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class FeatureLoss(nn.Module):
    """Weighted L1 distance of VGG16 activations, by default relative to each layer's rms.

    Activations differ by orders of magnitude between layers and between sets of weights; dividing
    each layer's difference by the rms of the target's activations makes layer weights comparable.

    Parameters
    ----------
    weights : mapping of str to float
        Weight per layer, from `LAYERS`.
    vgg16 : pathlib.Path, optional
        safetensors file of the convolutions, with torchvision's keys (with or without
        ``features.``); default: torchvision's ``IMAGENET1K_V1``, downloaded.
    network : str
        One of `NETWORKS`.
    pool : str
        ``max``, or ``average`` to replace each max-pool by average pooling.
    roll : int
        Largest cyclic shift, 0 to `MAX_ROLL` pixels. Output and target are shifted together by a
        new random amount along both axes in each call, so that pooling has no fixed grid in the
        image.
    relative : bool
        Whether differences are divided by the rms of the target's activations; in the article
        they are not.
    normalise : bool
        Whether images are normalised with ImageNet's mean and standard deviation; the article's
        code in fact passed raw values.
    generator : numpy.random.Generator, optional
        Random generator for the shifts; a training passes one whose state its checkpoints save.
        Default: a new one with seed 0.

    Raises
    ------
    UsageError
        If an option is unknown, the file lacks weights up to the deepest layer, or the weights
        cannot be downloaded.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        vgg16: Path | None = None,
        *,
        network: str = "vgg16",
        pool: str = "max",
        roll: int = 0,
        relative: bool = True,
        normalise: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        _check("feature network", [network], NETWORKS)
        _check("VGG16 layer", list(weights) or ["given"], LAYERS)
        _check("pooling", [pool], ("max", "average"))
        if not 0 <= roll <= MAX_ROLL:
            raise UsageError(
                f"A roll of {roll} pixels is not possible.", remedy=f"Give 0 to {MAX_ROLL}."
            )
        self.roll, self.relative, self.normalise = roll, relative, normalise
        self.weights = dict(sorted(weights.items(), key=lambda item: LAYERS[item[0]]))
        self._taps = {NETWORKS[network][layer]: layer for layer in self.weights}
        self.features = _features(network, max(self._taps), vgg16)
        if pool == "average":
            self.features = nn.Sequential(*map(_averaging, self.features))
        self.features.requires_grad_(False)
        self._generator = generator or np.random.default_rng(0)
        self.mean = nn.Buffer(torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.std = nn.Buffer(torch.tensor(_STD).view(1, 3, 1, 1))

    def activations(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the activations of the selected layers.

        Parameters
        ----------
        images : torch.Tensor
            (batch, 1, A, B), roughly in [0, 1]; copied to three channels.

        Returns
        -------
        dict of str to torch.Tensor
            (batch, maps, A', B') per layer, from shallow to deep.
        """
        maps = images.expand(-1, 3, -1, -1)
        if self.normalise:
            maps = (maps - self.mean) / self.std
        found = {}
        for index, module in enumerate(self.features):
            maps = module(maps)
            if index in self._taps:
                found[self._taps[index]] = maps
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
        if self.roll:
            shifts = self._generator.integers(0, self.roll + 1, 2).tolist()
            output, target = (torch.roll(image, shifts, (-2, -1)) for image in (output, target))
        with torch.no_grad():
            expected = self.activations(target)
        terms = []
        for layer, maps in self.activations(output).items():
            term = self.weights[layer] * functional.l1_loss(maps, expected[layer])
            terms.append(term / _rms(expected[layer]) if self.relative else term)
        return torch.stack(terms).sum()


def _check(kind: str, given: Iterable[str], known: Collection[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(
            f"There is no {kind} {', '.join(unknown)}.", remedy=f"Choose among {', '.join(known)}."
        )


def _rms(maps: torch.Tensor) -> torch.Tensor:
    return maps.square().mean().sqrt().clamp_min(1e-12)


def _averaging(module: nn.Module) -> nn.Module:
    if isinstance(module, nn.MaxPool2d):
        return nn.AvgPool2d(module.kernel_size, module.stride)
    return module


def _features(network: str, last: int, path: Path | None) -> nn.Sequential:
    # torchvision takes seconds to import and is not a dependency of the app
    try:
        from torchvision.models import get_model
    except ImportError as error:
        raise UsageError(
            "The feature loss needs torchvision.",
            remedy="pip install 'bids_sr[train]', or give --layers with no layer for L1 alone.",
        ) from error
    if path is None:
        try:
            return get_model(network, weights="IMAGENET1K_V1").features[: last + 1].eval()
        except OSError as error:
            raise UsageError(
                f"The weights of {network} cannot be downloaded ({error}).",
                remedy="Give them as a file with --vgg16, or --layers with no layer for L1 alone.",
            ) from error
    features = get_model(network, weights=None).features[: last + 1]
    stored = _stored(path)
    needed = [k for k in features.state_dict() if not k.endswith("num_batches_tracked")]
    missing = sorted(set(needed) - stored.keys())
    if missing:
        raise UsageError(
            f"lacks {', '.join(missing)}.",
            file=path,
            remedy=f"Give a file that holds {network} up to the deepest layer requested.",
        )
    # only that counter, used in training alone, may be missing
    features.load_state_dict({key: stored[key] for key in needed}, strict=False)
    return features.eval()


def _stored(path: Path) -> dict[str, torch.Tensor]:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UsageError(
            f"cannot be read ({error}).",
            file=path,
            remedy="Give the weights of the feature network as safetensors.",
        ) from error
    return {key.removeprefix("features."): value.float() for key, value in tensors.items()}
