"""Metrics on a model card, and whether they are reproduced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from bids_sr.evaluation.goals import Row
from bids_sr.evaluation.tables import LEFT, SCORES
from bids_sr.networks.card import ModelCard

_KEPT = ("psnr_b0", "psnr_dwi", "ssim_dwi", "fa_mae", "md_mae", "v1_deg", "qa_mae", *LEFT)
"""Scores kept on a card: those that fit the width of a page."""
_TITLES = {**SCORES, **LEFT}
_DIGITS = 4
_SAME = 2e-3
"""Relative tolerance of equal metrics: summation order depends on threads and processor."""


def title(facts: Mapping[str, Any]) -> str:
    """Return the name of an evaluation on a card, made of everything that determines its metrics.

    Parameters
    ----------
    facts : mapping
        ``run``, ``reference``, ``slices_step``, ``ensemble``, ``zero_fill``, ``input_band``
        and ``rim`` of the evaluation, ``precision`` if it was not float32, and
        ``seen_in_training`` if it may not be held out.
    """
    parts = [f"{facts['run']} against {facts['reference']}", f"rim {facts['rim']}"]
    if facts["slices_step"] > 1:
        parts.append(f"1 slice in {facts['slices_step']}")
    parts.append(f"ensemble {facts['ensemble']}")
    if tuple(facts["zero_fill"]) != (1.0, 1.0):
        parts.append("band {} x {}".format(*facts["zero_fill"]))
    if facts["input_band"] != "auto":
        parts.append(f"input band {facts['input_band']}")
    if facts.get("precision", "float32") != "float32":
        parts.append(facts["precision"])
    if facts.get("seen_in_training"):
        parts.append("maybe seen in training")
    return ", ".join(parts)


def keep_on_card(card: ModelCard, facts: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Write the scores of an evaluation into ``card.json`` of the model's folder.

    Parameters
    ----------
    card : ModelCard
        Card of the evaluated network.
    facts : mapping
        See `title`.
    rows : sequence of dict
        One per method.
    """
    figures = {**card.figures, title(facts): [_rounded(row) for row in rows]}
    evolve(card, figures=figures).save(card.folder)


def compare_with_card(card: ModelCard, facts: Mapping[str, Any], rows: Sequence[Row]) -> str | None:
    """Return whether an evaluation reproduced the values on the card.

    Parameters
    ----------
    card, facts, rows
        See `keep_on_card`.

    Returns
    -------
    str or None
        None where the card has no such evaluation. Values missing
        from the card, such as metrics added later, are not compared.
    """
    known = card.figures.get(title(facts))
    if known is None:
        return None
    fresh = {row["method"]: _rounded(row) for row in rows}
    off = [
        f"{old['method']} {key}: {fresh[old['method']].get(key)}, on the card {old[key]}"
        for old in known
        if old["method"] in fresh
        for key in old
        if not _equal(fresh[old["method"]].get(key), old[key])
    ]
    if not off and all(old["method"] in fresh for old in known):
        return "The card has the same figures."
    return "The card has other figures: " + ("; ".join(off) or "of other methods") + "."


def _rounded(row: Row) -> dict[str, Any]:
    """Return a row in the format of the card, with the titles of the tables."""
    scores = {_TITLES[key][0]: round(float(row[key]), _DIGITS) for key in _KEPT if key in row}
    return {"method": row["method"], **scores}


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float | int):
        return abs(one - other) <= max(_SAME * abs(other), 1.5 * 10**-_DIGITS)
    return bool(one == other)
