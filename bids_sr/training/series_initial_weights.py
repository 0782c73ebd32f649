"""Initialising a series network from the weights of another model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from bids_sr.errors import ModelError
from bids_sr.networks.angular_parts import harmonics
from bids_sr.networks.card import ModelCard
from bids_sr.networks.channels import FRAME
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card
from bids_sr.networks.series_network import LIFT, SLICES, DetailTrunk, SeriesNetwork
from bids_sr.networks.series_parts import PARTS
from bids_sr.networks.slice_frame import SliceFrame
from bids_sr.networks.unet import SubPixelUNet, UNet
from bids_sr.training.initial_weights import WeightMismatch, fit_weight, same_places, tell
from bids_sr.training.pruning import level_widths, pruned

_Weights = dict[str, torch.Tensor]
_TRUNKS = ("means", "l2")
_OF_MEAN = ("dwi", "mean_dwi", "tensor", *FRAME)
"""Channels equal to the mean over directions if the slice itself is that mean."""
_TISSUE = 0.5
"""Tissue threshold, relative to the mean over the image."""


def load_initial_series_weights(
    network: SeriesNetwork, model: str, images: torch.Tensor
) -> WeightMismatch:
    """Copy the weights of a model into `network` wherever they have a counterpart.

    From a series network, both trunks are taken, whatever its factor; heads and kernels only if
    their shapes match, too. A network for single volumes becomes the trunk of b0 and mean: given
    the mean over directions as if it were one volume, the network starts with about the detail
    that the model predicts for it. Feature maps that do not fit into a level are pruned, the
    least important ones first [1]_. The detail of b0 and l = 2 starts at zero.

    Parameters
    ----------
    network : SeriesNetwork
        Modified in place.
    model : str
        Name or folder of the model.
    images : torch.Tensor
        (batch, 21, a, b): sample input. `SeriesNetwork` divides its kernels by the rms of its
        feature maps, which differs from the divisor in another network or width; the input
        is used to measure the ratio by which to rescale the kernels.

    Returns
    -------
    WeightMismatch

    Raises
    ------
    ModelError
        If there is no such model, or a series network cannot start from it.

    References
    ----------
    .. [1] Li et al., "Pruning filters for efficient ConvNets", ICLR 2017.
    """
    card = find_card(model)
    given = load_network(card)
    if isinstance(given, SeriesNetwork):
        start = _from_series(network, given, card, images)
    elif isinstance(given, SubPixelUNet):
        start = _from_volumes(network, given, card, images)
    else:
        raise ModelError(
            f"is a {type(given).__name__}, from which a network for the series cannot start.",
            file=card.folder,
            remedy="Start from another model, or give --kind volume.",
        )
    tell(card, start.dropped, start.fresh)
    return start


def _from_series(
    network: SeriesNetwork, given: SeriesNetwork, card: ModelCard, images: torch.Tensor
) -> WeightMismatch:
    dropped: list[str] = []
    fresh: list[str] = []
    for name in _TRUNKS:
        own, theirs = _trunk(network, name), _trunk(given, name)
        weights, kernels = theirs.state_dict(), []
        if (own.factor, own.taps) == (theirs.factor, theirs.taps) and own.taps:
            kernels = same_places(len(theirs.kernels.weight))
        fitting = _fit(own, weights, kernels)
        own.load_state_dict({**own.state_dict(), **fitting})
        dropped += _named(name, weights.keys() - fitting.keys())
        fresh += _named(name, own.state_dict().keys() - fitting.keys())
        narrow, wide = level_widths(theirs)[0], level_widths(own)[0]
        if narrow < wide:
            fresh.append(f"feature maps {narrow + 1} to {wide} of {name}")
            _resize_kernels(own, _size(theirs, images * given.lift), images * network.lift)
    if len(fresh) >= len(network.state_dict()):
        raise ModelError(
            "has no weight in common with the network to train.",
            file=card.weights,
            remedy="Leave out the sizes of the network: they are taken from its card.",
        )
    return WeightMismatch(tuple(dropped), tuple(fresh))


def _from_volumes(
    network: SeriesNetwork, given: SubPixelUNet, card: ModelCard, images: torch.Tensor
) -> WeightMismatch:
    own = _trunk(network, "means")
    blocks = len(given.encoders[0])  # type: ignore[arg-type]
    if (given.depth, blocks) != (own.depth, len(own.encoders[0])):  # type: ignore[arg-type]
        raise ModelError(
            f"has {given.depth} halvings with {blocks} residual blocks each,"
            " unlike the network to train.",
            file=card.folder,
            remedy="Leave out --depth and --blocks, or start from another model.",
        )
    weights = pruned(given, level_widths(own))
    weights["stem.weight"] = _as_stem(weights["stem.weight"], card.channels)
    kernels: list[tuple[int, int]] = []
    dropped = [f"channel {n}" for n in card.channels if n not in ("mean_b0", *_OF_MEAN)]
    if given.factor == own.factor:
        weights["head.weight"] = _of_mean(weights["head.weight"])
        if given.taps and given.taps == own.taps:
            weights["kernels.weight"] = _as_kernels(weights["kernels.weight"], given, card.channels)
            kernels = same_places(len(weights["kernels.weight"]))
    fitting = _fit(own, weights, kernels)
    own.load_state_dict({**own.state_dict(), **fitting})
    if "kernels.weight" in fitting:
        _resize_kernels(own, _level(images), images * network.lift)
    dropped += [name for name in weights if name not in fitting]
    dropped += [
        f"{theirs - mine} of {theirs} feature maps of level {level}"
        for level, (theirs, mine) in enumerate(
            zip(level_widths(given), level_widths(own), strict=True)
        )
        if theirs > mine
    ]
    fresh = ["detail of b0", "all of l2", *_named("means", own.state_dict().keys() - fitting)]
    return WeightMismatch(tuple(dropped), tuple(fresh))


def _trunk(network: SeriesNetwork, name: str) -> DetailTrunk:
    trunk = network.get_submodule(name)
    assert isinstance(trunk, DetailTrunk)
    return trunk


def _fit(
    trunk: DetailTrunk, weights: Mapping[str, torch.Tensor], kernels: list[tuple[int, int]]
) -> _Weights:
    """Return the weights that fit into a trunk, in the trunk's shapes."""
    read, fitting = same_places(trunk.in_channels), {}
    for name, own in trunk.state_dict().items():
        if name in weights:
            weight = fit_weight(name, weights[name], own, read, kernels)
            if weight is not None:
                fitting[name] = weight
    return fitting


def _as_stem(weight: torch.Tensor, channels: Sequence[str]) -> torch.Tensor:
    """Return the first layer, rewritten to read b0, mean and l = 2 instead of channels.

    The tensor channels for directions fixed to the slice become sums of the basis functions at
    those directions.
    """
    at = {name: weight[:, place] for place, name in enumerate(channels)}
    functions = harmonics(SliceFrame(np.eye(3), 0).directions, 2)[0][:, 1:]
    whole = weight.new_zeros((len(weight), SLICES * PARTS, *weight.shape[2:]))
    if "mean_b0" in at:
        whole[:, 0] = at["mean_b0"]
    for name in _OF_MEAN:
        if name in at:
            whole[:, 1] += at[name]
    for name, values in zip(FRAME, functions, strict=True):
        for number, value in enumerate(values):
            if name in at:
                whole[:, 2 + number] += at[name] * float(value) / LIFT
    return whole


def _of_mean(weight: torch.Tensor) -> torch.Tensor:
    """Return the head for b0 and mean, which predicts nothing for the b0."""
    return torch.cat([torch.zeros_like(weight), weight])


def _as_kernels(weight: torch.Tensor, given: SubPixelUNet, channels: Sequence[str]) -> torch.Tensor:
    """Return the kernel layer: predicts for the mean, with kernels applied to b0 and mean."""
    places, taps = given.factor**2, given.taps**2
    theirs = weight.view(places, given.filtered, taps, *weight.shape[1:])
    own = weight.new_zeros((2, places, 2, taps, *weight.shape[1:]))
    for number, name in enumerate(channels[: given.filtered]):
        if name == "mean_b0":
            own[1, :, 0] += theirs[:, number]
        elif name in _OF_MEAN:
            own[1, :, 1] += theirs[:, number]
    return own.view(-1, *weight.shape[1:])


def _resize_kernels(trunk: DetailTrunk, divisor: torch.Tensor, images: torch.Tensor) -> None:
    """Rescale the kernels by the size of the trunk's maps relative to their former divisor."""
    if trunk.taps:
        with torch.no_grad():
            trunk.kernels.weight *= float(_size(trunk, images) / divisor)


def _size(trunk: UNet, images: torch.Tensor) -> torch.Tensor:
    """Return the rms over feature maps, averaged over tissue."""
    with torch.inference_mode():
        padded = trunk.padded(images)
        size = trunk.maps(padded).square().mean(1).sqrt()
    return size[_tissue(padded)].mean()


def _level(images: torch.Tensor) -> torch.Tensor:
    """Return the level of tissue by which a `SubPixelUNet` divides its kernels."""
    shown = images[:, :2]
    return shown.square().sum() / shown.abs().sum()


def _tissue(images: torch.Tensor) -> torch.Tensor:
    shown = images[:, :2].sum(1)
    return shown > _TISSUE * shown.mean()


def _named(trunk: str, layers: Sequence[str] | set[str]) -> list[str]:
    return sorted(f"{trunk}.{layer}" for layer in layers)
