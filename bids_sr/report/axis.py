"""Axes: round tick values that enclose the data, digits of their labels, and label width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

_MOST_PLAIN, _LEAST_PLAIN = 1e6, 1e-3
"""Labels outside this range are printed with a power of ten."""
_FLAT = 0.05
"""Least share of the largest value that an axis spans; smaller differences look the same."""
_CHARACTER = 7.7
"""Width of a digit at 12 px in the widest of the usual typefaces (DejaVu Sans, Verdana)."""


def nice_ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Return 3 to 7 round numbers, evenly spaced, that enclose `low` to `high`.

    Parameters
    ----------
    low, high : float
        Smallest and largest value.
    least : float
        Least span of the ticks, so that a meaningless difference does not fill the axis.

    Returns
    -------
    list of float
        Multiples of 1, 2, 2.5 or 5 times a power of ten. Where the axis is widened, it does not
        cross zero unless the values do.

    Examples
    --------
    >>> nice_ticks(0.41, 0.47)
    [0.4, 0.42, 0.44, 0.46, 0.48]
    >>> nice_ticks(0.4123, 0.4124, least=0.1)
    [0.35, 0.375, 0.4, 0.425, 0.45, 0.475]
    >>> nice_ticks(3, 3)
    [2.9, 2.95, 3.0, 3.05, 3.1]
    >>> nice_ticks(0.0, 0.0, least=5.0)
    [0.0, 2.0, 4.0, 6.0]
    """
    low, high = _widened(low, high, least)
    rough = (high - low) / 4
    power = math.floor(math.log10(rough))
    size = next(m for m in (1, 2, 2.5, 5, 10) if m * 10.0**power >= rough * (1 - 1e-9))
    step = Decimal(str(size)).scaleb(power)
    first = math.floor(low / float(step) + 1e-9)
    last = math.ceil(high / float(step) - 1e-9)
    return [float(step * i) for i in range(first, last + 1)]


def _widened(low: float, high: float, least: float) -> tuple[float, float]:
    span = max(least, _FLAT * max(abs(low), abs(high))) or 1.0
    if high - low >= span:
        return low, high
    start = (low + high - span) / 2
    if low >= 0:
        start = max(start, 0.0)
    elif high <= 0:
        start = min(start, -span)
    return start, start + span


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Return the labels of evenly spaced ticks, with as many digits as their step needs.

    Examples
    --------
    >>> tick_texts([0.0, 0.025, 0.05]), tick_texts([-1.0, 0.0, 1.0])
    (['0.000', '0.025', '0.050'], ['-1', '0', '1'])
    >>> tick_texts([0.0, 2.5e-5, 5e-5]), tick_texts([1e7, 1.05e7, 1.1e7])
    (['0', '2.5e-5', '5.0e-5'], ['1.00e7', '1.05e7', '1.10e7'])
    """
    largest = max(map(abs, ticks))
    step = _tidy(ticks[1] - ticks[0], largest)
    if _LEAST_PLAIN <= largest < _MOST_PLAIN:
        digits = _digits(step)
        return [f"{tick:.{digits}f}" for tick in ticks]
    power = math.floor(math.log10(largest))
    digits = _digits(step.scaleb(-power))
    # Decimal: the largest floats cannot be divided by their power of ten
    parts = (Decimal(repr(tick)).scaleb(-power) for tick in ticks)
    return [f"{part:.{digits}f}e{power}" if part else "0" for part in parts]


def label_room(texts: Sequence[str], gap: float = 8.0) -> float:
    """Return the width of a margin for these labels, px at a font size of 12 px."""
    return round(max(map(len, texts)) * _CHARACTER + gap)


def _tidy(step: float, largest: float) -> Decimal:
    """Return a step without the rounding error of the subtraction."""
    power = math.floor(math.log10(largest)) - 12
    return round(Decimal(repr(step)).scaleb(-power)) * Decimal(1).scaleb(power)


def _digits(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
