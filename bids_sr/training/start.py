"""Starting a training from the weights of a model."""

from __future__ import annotations

import logging

import torch

from bids_sr.errors import ModelError
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card

_LOG = logging.getLogger("bids_sr")

_HEADS = {"head", "kernels"}
_GROWING = _HEADS | {"stem", "encoders", "decoders", "widen", "narrow"}
"""Layers of the sub-pixel UNet, which has neither biases nor normalisation: a map that is
read with weight zero changes nothing."""


def start_from(network: torch.nn.Module, model: str) -> list[str]:
    """Copy the weights of a model into `network` wherever they have a counterpart.

    A network of another factor differs in its heads alone, so 9-fold can start
    from 4-fold weights; what has no counterpart keeps its fresh weights. A wider
    network starts as the function that the model is [1]_.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place.
    model : str
        Name or folder of a model.

    Returns
    -------
    list of str
        Names of the weights that were left as they are.

    Raises
    ------
    ModelError
        If there is no such model, or not one weight agrees.

    References
    ----------
    .. [1] Chen, Goodfellow & Shlens, "Net2Net: accelerating learning via knowledge
       transfer", ICLR 2016; here with new maps of weight zero instead of copies.
    """
    own, fitting = network.state_dict(), _fitting(network, model)
    network.load_state_dict({**own, **fitting})
    left = sorted(own.keys() - fitting.keys())
    _LOG.info("Starting from %s; fresh: %s", model, ", ".join(left) or "nothing")
    return left


def keep_start(network: torch.nn.Module, model: str, share: float) -> None:
    """Average a trained network with the weights that it started from.

    A network and its start lie in one valley of the loss; between them the scores on
    scans it has not seen are often better than at either end [1]_.

    Parameters
    ----------
    network : torch.nn.Module
        Trained; changed in place. Weights without counterpart stay.
    model : str
        Name or folder of the model that it started from.
    share : float
        Of the start, 0 to 1.

    Raises
    ------
    ModelError
        If there is no such model, or not one weight agrees.

    References
    ----------
    .. [1] Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
    """
    own, start = network.state_dict(), _fitting(network, model)
    network.load_state_dict(
        {
            k: torch.lerp(v, start[k].to(v.device), share) if k in start else v
            for k, v in own.items()
        }
    )


def _fitting(network: torch.nn.Module, model: str) -> dict[str, torch.Tensor]:
    """Return the weights of a model that have a counterpart in `network`, in its shapes."""
    card = find_card(model)
    given, own = load_network(card).state_dict(), network.state_dict()
    fitting = {k: w for k, v in given.items() if k in own and (w := _fit(k, v, own[k])) is not None}
    if not fitting:
        raise ModelError(
            "has no weight in common with the network to train.",
            file=card.weights,
            remedy="Give --width, --depth and --channels as on its card.",
        )
    return fitting


def _fit(name: str, given: torch.Tensor, own: torch.Tensor) -> torch.Tensor | None:
    """Return `given` in the shape of `own`, or None.

    The first channels of the stem are the same ones, and the first maps of a wider
    network are its model's: they do not read what only `own` has, so a network that reads
    more or is wider than its model starts as that model, and its further maps as they are.
    """
    if given.shape == own.shape:
        return given
    layer = name.split(".")[0]
    if layer not in _GROWING or given.ndim != own.ndim or given.shape[2:] != own.shape[2:]:
        return None
    maps = given.shape[0]
    if maps > own.shape[0] or (layer in _HEADS and maps != own.shape[0]):
        return None
    pairs = _columns(layer, given, own)
    if pairs is None:
        return None
    whole = own.clone()
    whole[:maps] = 0
    for theirs, ours in pairs:
        whole[:maps, ours] = given[:, theirs]
    return whole


def _columns(
    layer: str, given: torch.Tensor, own: torch.Tensor
) -> list[tuple[slice, slice]] | None:
    """Return which inputs of a layer of `given` are which of `own`, or None."""
    (maps, inputs), (wide, total) = given.shape[:2], own.shape[:2]
    if layer == "stem":
        shared = slice(min(inputs, total))
        return [(shared, shared)]
    if inputs > total:
        return None
    if layer != "narrow":
        return [(slice(inputs), slice(inputs))]
    # Maps from below come first, those of the skip, as many as its outputs, after them.
    below = inputs - maps
    return [
        (slice(below), slice(below)),
        (slice(below, inputs), slice(total - wide, total - wide + maps)),
    ]
