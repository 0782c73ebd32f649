"""What a network costs, before it is loaded: counted from the shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bids_sr.errors import ModelError
from bids_sr.networks.card import ModelCard

_SHALLOW, _SERIES = "SubPixelUNet", "SeriesNetwork"
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
        Of one volume, or of one shell for a network that sees a slice once per shell. For the
        networks of this project counted without loading them (torch takes seconds, and half
        a gigabyte); others are run on an empty slice of 128 x 128.

    Raises
    ------
    ModelError
        If the weights cannot be read.
    """
    if card.architecture.get("class") in (_SHALLOW, _SERIES):
        shapes = _shapes(card)
        return _convolutions(shapes) + _filters(shapes, card)
    return _counted(card)


def _shapes(card: ModelCard) -> dict[str, list[int]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(card.weights, framework="numpy") as file:
            return {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"cannot be read ({error}).", file=card.weights, remedy="Copy the model folder again."
        ) from error


def _convolutions(shapes: Mapping[str, Sequence[int]]) -> float:
    total = 0.0
    for name, (outputs, inputs, *sides) in shapes.items():
        kernel = sides[0] * sides[1] if len(sides) == 2 else 1
        # a level down there is a quarter of the pixels
        total += outputs * inputs * kernel / 4 ** _level(name)
    return total


def _level(name: str) -> int:
    """Return how often the maps were halved where a layer works."""
    found = re.match(r"(?:means\.|l2\.)?(encoders|widen|narrow|decoders)\.(\d+)\.", name)
    if not found:
        return 0
    return int(found[2]) + (found[1] == "widen")


def _filters(shapes: Mapping[str, Sequence[int]], card: ModelCard) -> float:
    """Count what predicted kernels are multiplied with."""
    total = 0.0
    for name, (weights, *_) in shapes.items():
        trunk, found, _ = name.rpartition("kernels.")
        if found:
            # one kernel serves all images of l = 2
            images = shapes[f"{trunk}head.weight"][0] / card.factor**2 if trunk == "l2." else 1
            total += weights * images
    return total


def _counted(card: ModelCard) -> float:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from bids_sr.networks.loading import load_network
    from bids_sr.networks.series_network import SLICES
    from bids_sr.networks.series_parts import PARTS

    network = load_network(card)
    side = _COUNTED_ON
    if card.sees_series:
        given = [torch.zeros(1, SLICES * PARTS, side, side)]
    else:
        fine = side * card.factor
        given = [torch.zeros(1, len(card.channels), side, side), torch.zeros(1, 1, fine, fine)]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(*given)
    return counter.get_total_flops() / 2 / side**2
