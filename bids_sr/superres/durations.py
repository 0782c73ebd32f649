"""Times in words."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> duration(8.25), duration(84), duration(7325)
    ('8.2 s', '1 min 24 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
