"""Periods at which a network may print a grid."""

from __future__ import annotations

PERIODS = (2, 4, 8, 16)
"""Pixels: what a layer behind one, two, three or four max-pools of VGG16 can print."""
ALL_PERIODS = (2, 3, 4, 8, 16)
"""Those of any factor."""


def periods_of(factor: int) -> tuple[int, ...]:
    """Return the periods to look at after super-resolution by a factor.

    Parameters
    ----------
    factor : int
        In-plane factor: a network that gives f x f pixels per pixel can print a
        lattice of period f.

    Returns
    -------
    tuple of int
        Ascending, pixels of the output.

    Examples
    --------
    >>> periods_of(2), periods_of(3)
    ((2, 4, 8, 16), (2, 3, 4, 8, 16))
    """
    return tuple(sorted({*PERIODS, factor}))
