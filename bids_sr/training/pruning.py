"""Pruning the feature maps of a UNet to fit a narrower one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bids_sr.networks.unet import UNet


def level_widths(network: UNet) -> list[int]:
    """Return the number of feature maps of each level, from full resolution down."""
    return [len(stage[0].first.weight) for stage in network.encoders]  # type: ignore[index]


def pruned(network: UNet, widths: Sequence[int]) -> dict[str, torch.Tensor]:
    """Return the weights of a UNet, pruned to at most `widths` feature maps per level.

    Keeps the maps with the largest incoming and outgoing weights at the level's upper end.

    Parameters
    ----------
    network : UNet
        Not modified.
    widths : sequence of int
        Feature maps per level; larger values than the UNet's have no effect.

    Returns
    -------
    dict of str to torch.Tensor
        In the format of its ``state_dict``.
    """
    state, own = network.state_dict(), level_widths(network)
    kept = [
        torch.sort(torch.topk(_importance(state, level), min(width, wanted)).indices).values
        for level, (width, wanted) in enumerate(zip(own, widths, strict=True))
    ]
    return {name: _cut(name, weight, kept, own) for name, weight in state.items()}


def _importance(state: dict[str, torch.Tensor], level: int) -> torch.Tensor:
    if level == 0:
        made = state["stem.weight"].flatten(1).norm(dim=1)
        readers = [state[name] for name in ("head.weight", "kernels.weight") if name in state]
        return made * torch.cat([_read(weight) for weight in readers]).norm(dim=0)
    made = state[f"widen.{level - 1}.weight"].flatten(1).norm(dim=1)
    # of the maps read there, those from below come first
    return made * _read(state[f"narrow.{level - 1}.weight"])[:, : len(made)].norm(dim=0)


def _read(weight: torch.Tensor) -> torch.Tensor:
    """Return how strongly each output depends on each input, (outputs, inputs)."""
    return weight.flatten(2).norm(dim=2)


def _cut(
    name: str, weight: torch.Tensor, kept: Sequence[torch.Tensor], widths: Sequence[int]
) -> torch.Tensor:
    layer, *rest = name.split(".")
    if layer == "stem":
        return weight[kept[0]]
    if layer in ("head", "kernels"):
        return weight[:, kept[0]]
    level = int(rest[0])
    if layer in ("encoders", "decoders"):
        return weight[kept[level]][:, kept[level]]
    if layer == "widen":
        return weight[kept[level + 1]][:, kept[level]]
    read = torch.cat([kept[level + 1], widths[level + 1] + kept[level]])
    return weight[kept[level]][:, read]
