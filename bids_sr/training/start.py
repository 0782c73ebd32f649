"""Starting a training from the weights of a model."""

from __future__ import annotations

import logging

import torch

from bids_sr.errors import ModelError
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card

_LOG = logging.getLogger("bids_sr")


def start_from(network: torch.nn.Module, model: str) -> list[str]:
    """Copy the weights of a model into `network` wherever names and shapes agree.

    A network of another factor differs in its heads alone, so 9-fold can start
    from 4-fold weights; what has no counterpart keeps its fresh weights.

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
    """
    card = find_card(model)
    given, own = load_network(card).state_dict(), network.state_dict()
    fitting = {k: w for k, v in given.items() if k in own and (w := _fit(k, v, own[k])) is not None}
    if not fitting:
        raise ModelError(
            "has no weight in common with the network to train.",
            file=card.weights,
            remedy="Give --width, --depth and --channels as on its card.",
        )
    network.load_state_dict({**own, **fitting})
    left = sorted(own.keys() - fitting.keys())
    _LOG.info("Starting from %s; fresh: %s", card.name, ", ".join(left) or "nothing")
    return left


def _fit(name: str, given: torch.Tensor, own: torch.Tensor) -> torch.Tensor | None:
    """Return `given` in the shape of `own`; weights of further channels are zero.

    The first channels of the stem are the model's, so a network that reads more than
    its model starts as that model.
    """
    if given.shape == own.shape:
        return given
    if name == "stem.weight" and given.shape[1] < own.shape[1]:
        whole = torch.zeros_like(own)
        whole[:, : given.shape[1]] = given
        return whole
    return None
