"""Durations in words."""

from __future__ import annotations


def duration(seconds: float, decimals: int = 1) -> str:
    """Return a duration in words; below a minute with the given decimals.

    Examples
    --------
    >>> duration(8.25), duration(84), duration(7325), duration(42.3, 0)
    ('8.2 s', '1 min 24 s', '2 h 2 min', '42 s')
    """
    if round(seconds, decimals) < 60:
        return f"{seconds:.{decimals}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
