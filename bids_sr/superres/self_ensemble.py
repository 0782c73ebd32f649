"""Turned copies of slices, over which a network is averaged."""

from __future__ import annotations

import torch

TRANSFORMS = {
    1: ((0, False),),
    2: ((0, False), (1, True)),
    4: tuple((quarter, False) for quarter in range(4)),
    8: tuple((quarter, flip) for quarter in range(4) for flip in (False, True)),
}
"""Quarter turns, and whether flipped, of the copies of a slice that are averaged, by number
(geometric self-ensemble, Lim et al., CVPR Workshops 2017)."""


def turn(images: torch.Tensor, quarter: int, flip: bool) -> torch.Tensor:
    """Turn slices (batch, n, a, b) by quarters, then reverse their columns."""
    if not quarter and not flip:
        return images
    turned = torch.rot90(images, quarter, (-2, -1))
    turned = turned.flip(-1) if flip else turned
    return turned.contiguous(memory_format=torch.channels_last)


def turn_back(images: torch.Tensor, quarter: int, flip: bool) -> torch.Tensor:
    """Undo `turn`."""
    return torch.rot90(images.flip(-1) if flip else images, -quarter, (-2, -1))
