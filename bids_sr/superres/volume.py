"""One super-resolved volume on its way to disk."""

from __future__ import annotations

import numpy as np
from attrs import frozen


@frozen(eq=False)
class Made:
    """A volume, in units of the run's scale, not clipped."""

    mean: np.ndarray
    """(slices, f a, f b), float32: the mean over the turned copies."""
    copies: np.ndarray | None = None
    """(copies, slices, f a, f b), float32, if they were asked for."""
