"""What a network costs, before it is loaded: counted from the shapes of its weights."""

from __future__ import annotations

import re

from bids_sr.errors import ModelError
from bids_sr.networks.card import ModelCard

_SHALLOW = "SubPixelUNet"
_COUNTED_ON = 128
"""Side of the slice that a network of another class is counted on."""


def multiply_adds(card: ModelCard) -> float:
    """Return the multiplications with addition per pixel of a low-resolution slice.

    Parameters
    ----------
    card : ModelCard
        The network; one copy of a slice goes through it.

    Returns
    -------
    float
        For the networks of this project counted without loading them (torch takes
        seconds, and half a gigabyte); others are run on an empty slice of 128 x 128.

    Raises
    ------
    ModelError
        If the weights cannot be read.
    """
    if card.architecture.get("class") == _SHALLOW:
        return _of_weights(card)
    return _counted(card)


def _of_weights(card: ModelCard) -> float:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(card.weights, framework="numpy") as file:
            shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"cannot be read ({error}).", file=card.weights, remedy="Copy the model folder again."
        ) from error
    total = 0.0
    for name, shape in shapes.items():
        outputs, inputs, *sides = shape
        kernel = sides[0] * sides[1] if len(sides) == 2 else 1
        # a level down there is a quarter of the pixels
        total += outputs * inputs * kernel / 4 ** _level(name)
        if name.startswith("kernels."):
            total += outputs  # what the kernels are applied to
    return total


def _level(name: str) -> int:
    """Return how often the maps were halved where a layer works."""
    found = re.match(r"(encoders|widen|narrow|decoders)\.(\d+)\.", name)
    if not found:
        return 0
    return int(found[2]) + (found[1] == "widen")


def _counted(card: ModelCard) -> float:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from bids_sr.networks.loading import load_network

    network = load_network(card)
    side = _COUNTED_ON
    channels = torch.zeros(1, len(card.channels), side, side)
    interpolated = torch.zeros(1, 1, side * card.factor, side * card.factor)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(channels, interpolated)
    return counter.get_total_flops() / 2 / side**2
