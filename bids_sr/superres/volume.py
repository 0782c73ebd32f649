"""One super-resolved volume on its way to disk."""

from __future__ import annotations

import numpy as np
from attrs import frozen


@frozen(eq=False)
class SuperResolvedVolume:
    """A volume, in units of the run's scale, not clipped."""

    mean: np.ndarray
    """(slices, f a, f b), float32: the mean over the self-ensemble."""
    members: np.ndarray | None = None
    """(members, slices, f a, f b), float32, if requested."""
