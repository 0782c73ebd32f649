"""Loading networks by name."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING

from bids_sr.errors import UsageError
from bids_sr.networks.registry import find_card, load_card

if TYPE_CHECKING:
    import torch

    from bids_sr.networks.card import ModelCard

FACTORS = (2, 3)
"""In-plane factors."""
DEFAULT_FACTOR = 2
"""Default factor, if neither a factor nor a network is given."""


def choose_card(model: str | PathLike[str] | None, factor: int | None) -> ModelCard:
    """Find a network by its name, folder or factor, and verify its weights.

    Parameters
    ----------
    model : str or PathLike, optional
        Name of a shipped network or path of a model folder; default: the shipped one for the
        factor.
    factor : int, optional
        In-plane factor, 2 or 3; default: that of the network.

    Returns
    -------
    ModelCard

    Raises
    ------
    UsageError
        If `factor` is neither 2 nor 3.
    ModelError
        If the network does not exist, is damaged, or has another factor.
    """
    if factor is not None and factor not in FACTORS:
        raise UsageError(f"factor: {factor!r} is neither 2 nor 3.")
    name = None if model is None else fspath(model)
    if name is not None and factor is None:
        return find_card(name)
    return load_card(name, factor or DEFAULT_FACTOR)


def load_model(
    model: str | PathLike[str] | None = None, factor: int | None = None
) -> torch.nn.Module:
    """Return a network with its weights, float32 on the CPU, in evaluation mode.

    Parameters
    ----------
    model : str or PathLike, optional
        Name of a shipped network or path of a model folder; default: the shipped one for the
        factor.
    factor : int, optional
        In-plane factor, 2 or 3; default: that of the network, or 2.

    Returns
    -------
    torch.nn.Module
        For the input and output of the shipped ones, see `bids_sr.networks.series_network`.

    Raises
    ------
    UsageError
        If `factor` is neither 2 nor 3.
    ModelError
        If the network does not exist, is damaged, or has another factor.

    Examples
    --------
    >>> load_model("shallow-x3").factor
    3
    """
    from bids_sr.networks.loading import load_network

    return load_network(choose_card(model, factor))
