"""One key of a run's record: its name, its meaning, and how a value is printed."""

from __future__ import annotations

import math
from typing import Any

from attrs import frozen

UNKNOWN = "not known"
"""Printed where a record holds no value."""


@frozen
class MetricSpec:
    """One key of the record, as the pages show it."""

    key: str
    """Key in the JSON file and column of the group table."""
    label: str
    """Short name."""
    meaning: str = ""
    """One or two sentences for somebody who has not read the documentation."""
    unit: str = ""
    """Unit, empty for pure numbers."""
    decimals: int = 3
    """Digits after the point."""
    percent: bool = False
    """Stored as a fraction, printed in percent."""
    optional: bool = False
    """Left out of tables where a record does not have it."""

    def text(self, value: Any) -> str:
        """Return `value` as printed, without its unit.

        Examples
        --------
        >>> MetricSpec("x", "x", decimals=2).text(1.005)
        '1.00'
        >>> MetricSpec("x", "x", percent=True).text(0.0123)
        '1.230 %'
        >>> MetricSpec("x", "x", percent=True).text(1e-9)
        'under 0.001 %'
        >>> MetricSpec("x", "x").text(None)
        'not known'
        """
        if not is_known(value):
            return UNKNOWN
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float) or (self.percent and isinstance(value, int)):
            return self._number(float(value))
        return str(value)

    def change(self, before: Any, after: Any) -> str:
        """Return the difference of two values as printed, with its sign."""
        if not (is_number(before) and is_number(after)):
            return UNKNOWN
        text = self._number(after - before)
        return f"+{text}" if after > before and text[0].isdigit() else text

    def _number(self, value: float) -> str:
        shown, unit = (100 * value, " %") if self.percent else (value, "")
        if 0 < abs(shown) < 0.5 * 10**-self.decimals:
            return f"under {10**-self.decimals:.{self.decimals}f}{unit}"
        return f"{shown:.{self.decimals}f}{unit}"


Pair = tuple[MetricSpec, tuple[str, str]]
"""A measure of the input and of the output, with their two keys."""


@frozen
class Group:
    """Measures that stand together in the report."""

    title: str
    pairs: tuple[Pair, ...] = ()
    single: tuple[MetricSpec, ...] = ()
    """Measures of the difference, or of one of the two images."""


def is_number(value: Any) -> bool:
    """Tell whether a record's value is a finite number; true and false are none."""
    return is_known(value) and isinstance(value, int | float) and not isinstance(value, bool)


def is_known(value: Any) -> bool:
    """Tell whether a record's value says anything.

    None, NaN, infinities, empty text, lists and dicts, and the ``n/a`` of a
    table do not.
    """
    if value is None or value == "n/a":
        return False
    if isinstance(value, str | list | tuple | dict) and not value:
        return False
    return not (isinstance(value, float) and not math.isfinite(value))
