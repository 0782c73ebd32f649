"""Columns of the group table, on disk and on the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict, frozen

from bids_sr.quality.metric_spec import is_known, is_number
from bids_sr.quality.registry import lookup, place
from bids_sr.report.dictionary import NAME
from bids_sr.report.study_summary import SHARED
from bids_sr.report.tables import tidy

LEADING_COLUMNS = (
    "qc_status",
    "qc_reasons",
    "selfcheck_verdict",
    "selfcheck_gain_psnr_b0",
    "selfcheck_gain_psnr_dwi",
    "selfcheck_left_b0",
    "selfcheck_left_mean",
    "selfcheck_left_l2",
    "gradients_verdict",
)
"""Columns that fit in a window of 1400 pixels: a long text is cut to make room for the others."""
DEFAULT_COLUMNS = (
    *LEADING_COLUMNS,
    "state",
    "scale_factor",
    "model",
    "n_volumes",
    "shells",
    "input_zooms_mm",
    "output_zooms_mm",
    "dc_nrmse_highest",
    "grid_largest",
    "snr_b0",
    "snr_lowest",
    "wm_fa_median_input",
    "wm_fa_median_sr",
    "wm_md_median_input",
    "wm_md_median_sr",
    "v1_angle_median_deg",
    "negative_eigenvalue_fraction_sr",
    "seconds_superres",
)
"""Columns that the page shows by default, in this order."""

_LONGEST = 300
"""Longest text on the page, in characters; the table on disk has all of it."""
_LONGEST_FIELD = 32_000
"""Longest field on disk, in characters; spreadsheets accept no more."""
_MOST = 250
"""Most columns of the page, in case a record is full of unknown keys."""


@frozen
class Column:
    """A column of the page's table, as its script reads it."""

    key: str
    """Key of the record."""
    label: str
    """Short name."""
    unit: str
    """Unit, empty for pure numbers and fractions."""
    meaning: str
    """Explanation."""
    decimals: int | None
    """Decimal places; None: numbers are printed as they are."""
    percent: bool
    """Stored as a fraction, printed in percent."""
    default: bool
    """Shown by default."""
    lead: bool
    """Among those that fit in the window."""
    words: bool
    """Whether it is categorical, and coloured by value."""
    values: tuple[Any, ...]
    """One for each run: a number, text, boolean, or None."""


def table_text(names: Sequence[str], records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table on disk: tab-separated, a line for each run.

    Parameters
    ----------
    names : sequence of str
        Keys of the runs.
    records : sequence of mapping
        Their records.

    Returns
    -------
    str
    """
    columns = known_columns(records)
    lines = ["\t".join(table_columns(records))]
    for name, record in zip(names, records, strict=True):
        lines.append("\t".join([_plain(name), *(_field(record.get(c)) for c in columns)]))
    return "\n".join(lines) + "\n"


def table_columns(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the header of the table on disk."""
    return [NAME, *(_plain(column) for column in known_columns(records))]


def known_columns(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys of all records: those of the registry first, in its order."""
    return sorted(dict.fromkeys(key for record in records for key in record), key=place)


def page_columns(records: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the columns that the page can show: those known for at least one run.

    Parameters
    ----------
    records : sequence of mapping
        Records with their summaries and their ``state``; failed runs have
        little else.

    Returns
    -------
    list of Column
        The default ones first.
    """
    keys = dict.fromkeys([*DEFAULT_COLUMNS, *known_columns(records)])
    columns = (_column(key, records) for key in keys)
    return [column for column in columns if any(v is not None for v in column.values)][:_MOST]


def as_data(column: Column) -> dict[str, Any]:
    """Return a column as JSON content; a value that all runs share is stored once."""
    content = asdict(column)
    first = column.values[0]
    if all(type(value) is type(first) and value == first for value in column.values):
        content["values"], content["same"] = None, first
    return content


def _column(key: str, records: Sequence[Mapping[str, Any]]) -> Column:
    spec = lookup(key)
    raw = [record.get(key) for record in records]
    whole = not spec.percent and not any(isinstance(value, float) for value in raw)
    return Column(
        key=_short(key),
        label=_short(spec.column or spec.label),
        unit="" if spec.percent else spec.unit,
        meaning=spec.description,
        decimals=None if whole else spec.decimals,
        percent=spec.percent,
        default=key in DEFAULT_COLUMNS and not (key in ("state", *SHARED) and _alike(raw)),
        lead=key in LEADING_COLUMNS,
        words=bool(spec.levels) and key != "slice_axis",
        values=tuple(_value(key, value) for value in raw),
    )


def _alike(values: Sequence[Any]) -> bool:
    known = [value for value in values if is_known(value)]
    return len(known) > 1 and all(value == known[0] for value in known)


def _value(key: str, value: Any) -> Any:
    if not is_known(value):
        return None
    if isinstance(value, bool):
        return value
    if key == "slice_axis" and value in (0, 1, 2):
        return "ijk"[value]
    if is_number(value):
        return float(f"{value:.6g}") if isinstance(value, float) else value
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return _short(tidy(lookup(key).text(text)))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\N{HORIZONTAL ELLIPSIS}"


def _field(value: Any) -> str:
    if not is_known(value):
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return _plain(json.dumps(value))
    return _plain(str(value))


def _plain(text: str) -> str:
    """Return a field without tabs and line breaks, short enough for any program."""
    return " ".join(text.split())[:_LONGEST_FIELD] or "n/a"
