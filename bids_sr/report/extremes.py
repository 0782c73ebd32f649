"""Metrics of a run in one number where the record has one for each shell or period."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bids_sr.report.glossary import DC_NRMSE, MetricSpec, is_number

_PER_SHELL = re.compile(r"(.+)_b(\d+)$")
_GRID = re.compile(r"grid_f_(?:dwi|fa)_p\d+_sr$")

SUMMARIES = {
    entry.key: entry
    for entry in (
        MetricSpec("dc_nrmse_b0", "Residual, b = 0", DC_NRMSE.meaning, percent=True),
        MetricSpec("dc_nrmse_above", "Residual, largest of b > 0", DC_NRMSE.meaning, percent=True),
        MetricSpec(
            "dc_rms_sigma_above",
            "Residual over noise, largest of b > 0",
            "The residual as a multiple of the input's noise.",
        ),
        MetricSpec(
            "snr_lowest", "SNR, lowest of b > 0", "Signal over noise in the input.", decimals=1
        ),
        MetricSpec(
            "grid_largest",
            "Grid, largest F",
            "The largest lattice fold over all periods, of the super-resolved DWIs and FA: about 1 "
            "without a grid, and the higher the more regular the pattern is.",
            decimals=1,
        ),
    )
}
"""The summarizing metrics, by key. The pages show them; the table has what they are made of."""

_OVER_SHELLS = {
    "dc_nrmse": ("dc_nrmse_above", max),
    "dc_rms_sigma": ("dc_rms_sigma_above", max),
    "snr": ("snr_lowest", min),
}


def summaries(record: Mapping[str, Any]) -> dict[str, float]:
    """Return those of `SUMMARIES` that a record allows.

    Parameters
    ----------
    record : mapping
        Record of a run.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> summaries({"dc_nrmse_b0": 0.1, "dc_nrmse_b700": 0.2, "dc_nrmse_b2000": 0.3})
    {'dc_nrmse_above': 0.3}
    """
    gathered: dict[str, list[float]] = {}
    grid = []
    for key, value in record.items():
        if (split := _per_shell(key)) and split[1] > 0 and is_number(value):
            gathered.setdefault(split[0], []).append(float(value))
        elif key.startswith("grid_f_") and _GRID.match(key) and is_number(value):
            grid.append(float(value))
    found = {name: over(gathered[f]) for f, (name, over) in _OVER_SHELLS.items() if f in gathered}
    return found | ({"grid_largest": max(grid)} if grid else {})


def is_summarized(key: str) -> bool:
    """Tell whether the pages show a key as part of a summary only."""
    split = _per_shell(key)
    return split is not None and split[1] > 0 and split[0] in _OVER_SHELLS


@lru_cache(maxsize=4096)
def _per_shell(key: str) -> tuple[str, int] | None:
    match = _PER_SHELL.match(key)
    return (match[1], int(match[2])) if match else None
