"""Separation of training and held-out participants."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Sequence
from pathlib import Path

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.errors import UsageError

_REMEDY = "Hold out other participants: training data cannot serve as a test."


def refuse_shared_labels(train: Iterable[str], held_out: Iterable[str]) -> None:
    """Raise if a participant is in both sets, with or without ``sub-``.

    Parameters
    ----------
    train, held_out : iterable of str
        Participant labels.

    Raises
    ------
    UsageError
    """
    sides = [{label.removeprefix("sub-") for label in labels} for labels in (train, held_out)]
    if both := sorted(sides[0] & sides[1]):
        raise UsageError(
            f"sub-{', sub-'.join(both)}: both for training and held out.", remedy=_REMEDY
        )


def refuse_shared_scans(train: Sequence[DwiFiles], held_out: Sequence[DwiFiles]) -> None:
    """Raise if a scan is in both sets, even as a link or copy under another label.

    Parameters
    ----------
    train, held_out : sequence of DwiFiles

    Raises
    ------
    UsageError
        If a scan is in both sets; names both files.
    """
    refuse_shared_labels((run.subject for run in train), (run.subject for run in held_out))
    for run in held_out:
        for other in train:
            if _is_same(run.dwi, other.dwi):
                raise UsageError(
                    f"is the same scan as {other.dwi}: both for training and held out.",
                    file=run.dwi,
                    remedy=_REMEDY,
                )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:  # reported with its cause when the file is read
        return False
