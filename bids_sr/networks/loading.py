"""Building the network of a model card and loading its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from bids_sr.errors import ModelError
from bids_sr.networks.card import ModelCard
from bids_sr.networks.paper_unet import PaperSuperResolver
from bids_sr.networks.series_network import SeriesNetwork
from bids_sr.networks.unet import SubPixelUNet

CLASSES: dict[str, Callable[..., torch.nn.Module]] = {
    "SeriesNetwork": SeriesNetwork,
    "SubPixelUNet": SubPixelUNet,
    "PaperSuperResolver": PaperSuperResolver,
}
"""Network classes that a card may name."""


def build_network(architecture: dict[str, Any]) -> torch.nn.Module:
    """Build an untrained network.

    Parameters
    ----------
    architecture : dict
        Class name (``"class"``) and the keyword arguments of that class.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    KeyError, TypeError
        If the class or an argument is unknown.
    """
    arguments = dict(architecture)
    return CLASSES[arguments.pop("class")](**arguments)


def load_network(card: ModelCard) -> torch.nn.Module:
    """Build the network of a card and load its weights: float32, on the CPU, in eval mode.

    Parameters
    ----------
    card : ModelCard
        Card from `bids_sr.networks.registry.load_card`, which verified the checksum.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ModelError
        If the weights do not match the card.
    """
    try:
        network = build_network(dict(card.architecture))
        state = {key: value.float() for key, value in load_file(card.weights).items()}
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError, KeyError, TypeError, OSError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"does not fit its card ({first_line}).",
            file=card.weights,
            remedy="Copy the model folder again.",
        ) from error
    return network.eval()
