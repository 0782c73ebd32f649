"""Self-ensemble: rotations and flips of slices over which a network is averaged."""

from __future__ import annotations

import torch

TRANSFORMS = {
    1: ((0, False),),
    2: ((0, False), (1, True)),
    4: tuple((quarter, False) for quarter in range(4)),
    8: tuple((quarter, flip) for quarter in range(4) for flip in (False, True)),
}
"""Quarter turns and flip of each member of a self-ensemble, by number of members
(geometric self-ensemble, Lim et al., CVPR Workshops 2017)."""


def rotate_flip(images: torch.Tensor, quarter: int, flip: bool) -> torch.Tensor:
    """Rotate slices (batch, n, a, b) by quarter turns, then reverse their columns."""
    if not quarter and not flip:
        return images
    turned = torch.rot90(images, quarter, (-2, -1))
    turned = turned.flip(-1) if flip else turned
    return turned.contiguous(memory_format=torch.channels_last)


def undo_rotate_flip(images: torch.Tensor, quarter: int, flip: bool) -> torch.Tensor:
    """Undo `rotate_flip`."""
    return torch.rot90(images.flip(-1) if flip else images, -quarter, (-2, -1))
