"""Available networks: those shipped in models/, and model folders given by users."""

from __future__ import annotations

from pathlib import Path

from bids_sr.errors import ModelError
from bids_sr.networks.card import CARD, ModelCard, checksum, read_card
from bids_sr.resources import resource

DEFAULT_PREFIX = "shallow-x"
"""Default network of factor f: ``shallow-x<f>``."""


def list_models(folder: Path | None = None) -> dict[str, ModelCard]:
    """Return the cards of all shipped networks, by name.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Folder to search; default: the shipped ``models`` folder.

    Returns
    -------
    dict of str to ModelCard
        Sorted by name.
    """
    root = resource("models") if folder is None else folder
    folders = sorted(path.parent for path in root.glob(f"*/{CARD}"))
    return {path.name: read_card(path) for path in folders}


def load_card(model: str | None, factor: int) -> ModelCard:
    """Find a network by name or folder, verify its weights, and return its card.

    Parameters
    ----------
    model : str or None
        Name in the registry, path of a model folder, or None for the default
        network of `factor`.
    factor : int
        Requested in-plane factor.

    Returns
    -------
    ModelCard

    Raises
    ------
    ModelError
        If there is no such network, its factor differs, or the checksum of its weights does not
        match the card.
    """
    card = find_card(model or f"{DEFAULT_PREFIX}{factor}")
    if card.factor != factor:
        raise ModelError(
            f"is a network of factor {card.factor}, not {factor}.",
            file=card.folder,
            remedy=f"Give --scale {card.factor}, or another --model.",
        )
    return card


def is_default(card: ModelCard) -> bool:
    """Return whether a network is the default of its factor."""
    shipped = list_models().get(f"{DEFAULT_PREFIX}{card.factor}")
    return shipped is not None and shipped.folder == card.folder


def find_card(model: str) -> ModelCard:
    """Find a network of any factor by name or folder and verify its weights.

    Parameters
    ----------
    model : str
        Name in the registry, or path of a model folder.

    Returns
    -------
    ModelCard

    Raises
    ------
    ModelError
        If there is no such network, or the checksum of its weights does not match the card.
    """
    card = _find(model)
    found = checksum(card.weights)
    if found != card.sha256:
        raise ModelError(
            f"has the checksum {found[:12]}..., its card says {card.sha256[:12]}...",
            file=card.weights,
            remedy="The file is damaged or belongs to another card: copy the model folder again.",
        )
    return card


def _find(model: str) -> ModelCard:
    shipped = list_models()
    if model in shipped:
        return shipped[model]
    folder = Path(model)
    if folder.is_dir():
        return read_card(folder.resolve())
    names = ", ".join(shipped) or "none"
    raise ModelError(
        f"There is no network '{model}'.",
        remedy=f"Shipped networks: {names}. A folder with card.json and weights.safetensors"
        " can be given as well.",
    )
