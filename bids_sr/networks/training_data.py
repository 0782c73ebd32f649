"""Training participants of a network, from its card."""

from __future__ import annotations

import re

from bids_sr.networks.card import ModelCard

# a run label as `bids_sr.training.export` writes it, among free-text credits
_RUN = re.compile(r"sub-([0-9A-Za-z+]+)(_[0-9A-Za-z+-]+)*")


def training_runs(card: ModelCard) -> dict[str, list[str]]:
    """Return the runs listed in a card's training data.

    Parameters
    ----------
    card : ModelCard

    Returns
    -------
    dict of str to list of str
        Run labels by participant label (without ``sub-``). Empty if the card lists only credits.
    """
    runs: dict[str, list[str]] = {}
    for text in card.data:
        if found := _RUN.fullmatch(text):
            runs.setdefault(found[1], []).append(text)
    return runs


def seen_in_training(card: ModelCard, participant: str) -> str:
    """Tell whether a network may have been trained on a participant.

    Cards hold labels, and two datasets may use the same label for different people: only the user
    knows whether it is the same person.

    Parameters
    ----------
    card : ModelCard
    participant : str
        Label without ``sub-``.

    Returns
    -------
    str
        One sentence; empty if the participant is not listed in the card.
    """
    runs = training_runs(card).get(participant)
    if not runs:
        return ""
    return (
        f"{card.name} may have been trained on sub-{participant}: its card lists "
        f"{', '.join(runs)}. If it is the same person, the figures are better than those of "
        "somebody it has not seen."
    )
