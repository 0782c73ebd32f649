"""The BIDS data dictionary of the group table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bids_sr.quality.registry import lookup

NAME = "bids_name"
"""First column of the table: unique, also where a run was processed twice."""


def sidecar(columns: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the data dictionary of a table.

    Parameters
    ----------
    columns : iterable of str

    Returns
    -------
    dict
        For each column ``LongName``, ``Description``, and where they apply ``Units``
        and ``Levels``.

    Examples
    --------
    >>> sidecar(["wm_md_wasserstein"])["wm_md_wasserstein"]["Units"]
    '10⁻³ mm²/s'
    """
    return {column: _described(column) for column in columns}


def _described(column: str) -> dict[str, Any]:
    spec = lookup(column)
    told: dict[str, Any] = {"LongName": spec.label, "Description": spec.description}
    if spec.percent:
        told["Description"] += " A fraction: 0.01 is one percent."
    elif spec.unit:
        told["Units"] = spec.unit
    if spec.levels:
        told["Levels"] = dict(spec.levels)
    return told
