"""Initialising a network from the weights of a model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from attrs import frozen

from bids_sr.errors import ModelError
from bids_sr.networks.card import ModelCard
from bids_sr.networks.loading import CLASSES, load_network
from bids_sr.networks.registry import find_card
from bids_sr.networks.unet import SubPixelUNet

_LOG = logging.getLogger("bids_sr")

_HEADS = {"head", "kernels"}
_GROWING = _HEADS | {"stem", "encoders", "decoders", "widen", "narrow"}
"""Layer types of the sub-pixel UNet. It has neither biases nor normalisation, so a feature map
read with zero weight changes nothing."""
_RULE = "series"
"""Intensity scaling in training, as named in model cards."""

_Pairs = list[tuple[int, int]]
"""Indices in the model, and the matching indices in the network to train."""


@frozen
class WeightMismatch:
    """Weights of model and network without a counterpart in the other, by name."""

    dropped: tuple[str, ...] = ()
    """Channels and layers of the model that the network lacks (dropped)."""
    fresh: tuple[str, ...] = ()
    """Channels, feature maps and layers of the network that the model lacks (newly initialised)."""


def settings_of(card: ModelCard) -> dict[str, Any]:
    """Return the training settings that reproduce the network of a card.

    Parameters
    ----------
    card : ModelCard

    Returns
    -------
    dict
        Keyed by the fields of `bids_sr.training.settings.TrainingSettings`.

    Raises
    ------
    ModelError
        If the card does not match its weights.
    """
    load_network(card)
    given = dict(card.architecture)
    network = given.pop("class")
    if card.sees_series:
        raise ModelError(
            "is a network for the series, not for single volumes.",
            file=card.folder,
            remedy="Leave out --kind volume, or start from another model.",
        )
    # keys missing in a card mean the network's own defaults, not those of a training
    parameters = signature(CLASSES[network]).parameters
    given = {name: p.default for name, p in parameters.items() if p.default is not p.empty} | given
    if given.get("filtered", 0) is None:
        given["filtered"] = len(card.channels)
    given.pop("in_channels", None)
    return {**given, "network": network, "factor": card.factor, "channels": card.channels}


def load_initial_weights(
    network: torch.nn.Module, model: str, channels: Sequence[str]
) -> WeightMismatch:
    """Copy the weights of a model into `network` wherever they have a counterpart.

    Channels are matched by name, in any order. Networks of different factors differ only in their
    heads, so 9-fold can start from 4-fold weights; layers without a counterpart keep their initial
    weights. A wider network, or one with more channels, starts as the same function as the
    model [1]_. Dropped and newly initialised weights are logged as warnings.

    Parameters
    ----------
    network : torch.nn.Module
        Modified in place.
    model : str
        Name or folder of the model.
    channels : sequence of str
        Input channels of `network`, in order.

    Returns
    -------
    WeightMismatch

    Raises
    ------
    ModelError
        If there is no such model, or none of its weights match.

    References
    ----------
    .. [1] Chen, Goodfellow & Shlens, "Net2Net: accelerating learning via knowledge
       transfer", ICLR 2016; here with zero weights for new feature maps instead of copies.
    """
    card = find_card(model)
    given = load_network(card)
    fitting = _fitting(card, given, network, channels)
    own = network.state_dict()
    dropped = _lacking(card.channels, channels, given, fitting)
    fresh = [*_lacking(channels, card.channels, network, fitting), *_further_maps(given, network)]
    network.load_state_dict({**own, **fitting})
    tell(card, dropped, fresh)
    return WeightMismatch(tuple(dropped), tuple(fresh))


def _fitting(
    card: ModelCard, model: torch.nn.Module, network: torch.nn.Module, channels: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Return the model's weights that have a counterpart in `network`, in the network's shapes."""
    given, own = model.state_dict(), network.state_dict()
    read = [(card.channels.index(c), i) for i, c in enumerate(channels) if c in card.channels]
    kernels = _kernels(model, network, read)
    fitting = {}
    for name in given.keys() & own.keys():
        weight = fit_weight(name, given[name], own[name], read, kernels)
        if weight is not None:
            fitting[name] = weight
    if not fitting:
        raise ModelError(
            "has no weight in common with the network to train.",
            file=card.weights,
            remedy="Leave out --width, --depth, --blocks, --taps, --channels: its card sets them.",
        )
    return fitting


def fit_weight(
    name: str, given: torch.Tensor, own: torch.Tensor, read: _Pairs, kernels: _Pairs
) -> torch.Tensor | None:
    """Return `given` in the shape of `own`, or None if it does not fit.

    The first feature maps of a wider network are the model's: they do not read what only `own`
    has, so that the network starts as the model. Its additional maps keep their weights.
    """
    layer = name.split(".")[0]
    if layer not in _GROWING:
        return given if given.shape == own.shape else None
    if given.shape[2:] != own.shape[2:]:
        return None
    rows = kernels if layer == "kernels" else _rows(layer, given, own)
    columns = read if layer == "stem" else _columns(layer, given, own)
    if not (rows and columns):
        return None
    whole = own.clone()
    (from_row, to_row), (from_column, to_column) = (
        torch.tensor(pairs).unbind(1) for pairs in (rows, columns)
    )
    whole[to_row] = 0
    whole[to_row[:, None], to_column] = given[from_row[:, None], from_column].to(whole)
    return whole


def _kernels(model: torch.nn.Module, network: torch.nn.Module, read: _Pairs) -> _Pairs:
    """Map the model's predicted kernels to the network's; channels are matched by name."""
    if not (isinstance(model, SubPixelUNet) and isinstance(network, SubPixelUNet)):
        return []
    if (model.factor, model.taps) != (network.factor, network.taps):
        return []
    size = model.taps**2
    return [
        (
            (place * model.filtered + given) * size + tap,
            (place * network.filtered + own) * size + tap,
        )
        for place in range(model.factor**2)
        for given, own in read
        if given < model.filtered and own < network.filtered
        for tap in range(size)
    ]


def _rows(layer: str, given: torch.Tensor, own: torch.Tensor) -> _Pairs:
    """Map the outputs of a layer; empty if the network has too few."""
    maps, wide = len(given), len(own)
    return same_places(maps) if maps == wide or (maps < wide and layer != "head") else []


def _columns(layer: str, given: torch.Tensor, own: torch.Tensor) -> _Pairs:
    """Map the inputs of a layer; empty if the network has too few."""
    (maps, inputs), (wide, total) = given.shape[:2], own.shape[:2]
    if inputs > total:
        return []
    if layer != "narrow":
        return same_places(inputs)
    # maps from below come first, then those of the skip connection (as many as outputs)
    below = inputs - maps
    return [*same_places(below), *((below + i, total - wide + i) for i in range(maps))]


def same_places(count: int) -> _Pairs:
    """Return the identity mapping of `count` indices."""
    return [(i, i) for i in range(count)]


def _lacking(
    channels: Sequence[str],
    others: Sequence[str],
    network: torch.nn.Module,
    fitting: Mapping[str, torch.Tensor],
) -> list[str]:
    """Name the channels and layers of one network that have no counterpart in the other."""
    missing = [f"channel {name}" for name in channels if name not in others]
    layers = sorted(network.state_dict().keys() - fitting.keys())
    # kernels of some channels only: name those channels
    if "kernels.weight" in fitting and isinstance(network, SubPixelUNet):
        missing += [
            f"kernels of channel {name}"
            for name in channels[: network.filtered]
            if name in others and name not in others[: network.filtered]
        ]
    return missing + layers


def _further_maps(model: torch.nn.Module, network: torch.nn.Module) -> list[str]:
    if not (isinstance(model, SubPixelUNet) and isinstance(network, SubPixelUNet)):
        return []
    narrow, wide = (len(each.stem.weight) for each in (model, network))
    return [f"feature maps {narrow + 1} to {wide}"] if narrow < wide else []


def tell(card: ModelCard, dropped: Sequence[str], fresh: Sequence[str]) -> None:
    """Log which model weights are dropped and which network weights are newly initialised."""
    if card.input_rule != _RULE:
        _LOG.warning(
            "%s was trained on intensities scaled by the rule '%s'; here it is '%s'.",
            card.name,
            card.input_rule,
            _RULE,
        )
    if dropped:
        _LOG.warning("Dropped of %s: %s", card.name, ", ".join(dropped))
    if fresh:
        _LOG.warning("Fresh, since %s has none: %s", card.name, ", ".join(fresh))
    if not (dropped or fresh):
        _LOG.info("Starting from all weights of %s", card.name)
