"""Helpers for composing sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bids_sr.quality.metric_spec import is_known


def joined(texts: Sequence[str], word: str, unknown: str = "(not recorded)") -> str:
    """Return texts as a list in a sentence.

    Examples
    --------
    >>> joined(["a"], "or"), joined(["a", "b", "c"], "and"), joined([], "or")
    ('a', 'a, b and c', '(not recorded)')
    """
    if not texts:
        return unknown
    if len(texts) == 1:
        return texts[0]
    return f"{', '.join(texts[:-1])} {word} {texts[-1]}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "run"), counted(2, "run")
    ('1 run', '2 runs')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def distinct(records: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """Return the distinct values of a key over records, as text."""
    values = (record.get(key) for record in records)
    return list(dict.fromkeys(str(value) for value in values if is_known(value)))


def version(versions: Mapping[str, str], package: str) -> str:
    """Return a version with a space before it, or nothing if it is not known."""
    known = versions.get(package, "")
    return f" {known}" if known else ""
