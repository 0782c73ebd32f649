"""The description of a metric: its names, how values are printed, and its limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

UNKNOWN = "not known"
"""Printed where a record holds no value."""

IDENTITY = "Run"
SCAN = "Scan"
PROCESSING = "Processing"
VERDICT = "Verdict"
AGREEMENT = "Agreement with the input"
WHITE_MATTER = "White matter"
PLAUSIBILITY = "Physical plausibility"
GRIDS = "Grid artifacts"
NOISE = "Noise and sharpness"
ENSEMBLE = "Self-ensemble"
SELF_CHECK = "Self-check"
TIME = "Time and memory"
OTHER = "Other metrics"
"""Family of metrics that have no entry in the registry."""

Record = Mapping[str, Any]
VolumeMetric = Callable[[NDArray[np.floating], NDArray[np.bool_]], float]
"""From a volume and the brain mask, both (slices, a, b), to a number."""


class Per(Enum):
    """What a metric has one value for, which decides how the record's keys are formed."""

    RUN = "run"
    """One value under the metric's key."""
    SIDE = "side"
    """Input and output: ``KEY_input`` and ``KEY_sr``."""
    SHELL = "shell"
    """Each shell: ``KEY_b0``, ``KEY_b1000``, ..."""
    METHOD = "method"
    """Each method of the self-check (`bids_sr.quality.gain.key_of`)."""


@frozen
class Limits:
    """Absolute values above which a metric turns amber and red; None: never."""

    warn: float | None = None
    """Above it: amber."""
    fail: float | None = None
    """Above it: red."""
    tensor: bool = False
    """Not judged without a tensor fit."""


@frozen(eq=False)
class MetricSpec:
    """A metric of the registry; compared by identity."""

    key: str
    """Key in the JSON file and column of the group table; `per` decides the suffix."""
    label: str
    """Short name."""
    meaning: str = ""
    """One or two sentences for somebody who has not read the documentation."""
    unit: str = ""
    """Unit, empty for pure numbers."""
    decimals: int = 3
    """Decimal places."""
    percent: bool = False
    """Stored as a fraction, printed in percent."""
    optional: bool = False
    """Left out of tables where a record does not have it."""
    family: str = OTHER
    """Heading under which the pages show it."""
    per: Per = Per.RUN
    """What there is a value for."""
    limits: Limits | None = None
    """Limits of its traffic light, which judges the output, and the worst of the shells."""
    levels: Mapping[str, str] = field(factory=dict)
    """For a categorical metric: its values and what they mean."""
    column: str = ""
    """Heading in the group table, where the label is too long."""
    least_range: float = 0.0
    """Smallest extent of an axis, in units as stored: differences of less than half of it
    are negligible. 0: a twentieth of the largest value, where the unit is the image's own."""
    key_measure: bool = False
    """Whether the group page names its outliers: by the value of the output, of the network, or
    the extreme over shells."""
    extreme: Callable[[list[float]], float] | None = None
    """For shells: `max` or `min`, the value that the group page shows for those above b = 0."""
    of_volume: VolumeMetric | None = None
    """Computes it, averaged over the sampled weighted volumes of the input and of the output."""
    of_record: Callable[[Record], float | None] | None = None
    """Derives it from other metrics; derived metrics are shown and judged, but not stored."""

    @property
    def description(self) -> str:
        """The meaning; the label where there is none."""
        return self.meaning or f"{self.label}."

    def text(self, value: Any) -> str:
        """Return `value` as printed, without its unit.

        Examples
        --------
        >>> MetricSpec("x", "x", decimals=2).text(1.005)
        '1.00'
        >>> MetricSpec("x", "x", percent=True).text(0.0123)
        '1.230 %'
        >>> MetricSpec("x", "x", percent=True).text(1e-9)
        '< 0.001 %'
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

    def with_unit(self, value: Any) -> str:
        """Return `value` as printed, with its unit."""
        space = "" if self.unit == "°" else " "
        return f"{self.text(value)}{space}{self.unit}".strip()

    def change(self, before: Any, after: Any) -> str:
        """Return the difference of two values as printed, with its sign."""
        if not (is_number(before) and is_number(after)):
            return UNKNOWN
        text = self._number(after - before)
        return f"+{text}" if after > before and text[0].isdigit() else text

    def _number(self, value: float) -> str:
        shown, unit = (100 * value, " %") if self.percent else (value, "")
        if 0 < abs(shown) < 0.5 * 10**-self.decimals:
            return f"< {10**-self.decimals:.{self.decimals}f}{unit}"  # of either sign
        return f"{shown:.{self.decimals}f}{unit}"


def is_number(value: Any) -> bool:
    """Return whether a record's value is a finite number; booleans are not."""
    return is_known(value) and isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any) -> float | None:
    """Return a record's value as a finite number; None if it is not one.

    Examples
    --------
    >>> number(3), number(float("nan")), number(True), number("3")
    (3.0, None, None, None)
    """
    return float(value) if is_number(value) else None


def is_known(value: Any) -> bool:
    """Return whether a record's value is known.

    None, NaN, infinities, empty text, lists and dicts, and the ``n/a`` of a
    table are not.
    """
    if value is None or value == "n/a":
        return False
    if isinstance(value, str | list | tuple | dict) and not value:
        return False
    return not (isinstance(value, float) and not math.isfinite(value))
