"""Saving network weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from bids_sr.bids.atomic import atomic_path
from bids_sr.networks.card import WEIGHTS, checksum


def save_weights(state: Mapping[str, torch.Tensor], folder: Path) -> str:
    """Write ``weights.safetensors`` atomically.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Contiguous tensors by name.
    folder : pathlib.Path
        Model folder.

    Returns
    -------
    str
        Checksum of the file for the model card.
    """
    with atomic_path(folder / WEIGHTS) as temporary:
        mode = temporary.stat().st_mode
        save_file(dict(state), temporary)
        temporary.chmod(mode)  # safetensors puts a file of its own there, for its owner alone
    return checksum(folder / WEIGHTS)
