"""Channels of a volume that are put side by side a few slices at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class SliceStack:
    """What a network reads of one volume.

    Most channels are the same arrays for all volumes of a shell: joined for a whole volume, each
    volume that waits would hold a copy of its own.

    Parameters
    ----------
    channels : sequence of numpy.ndarray
        (slices, a, b) each; not copied.
    """

    def __init__(self, channels: Sequence[np.ndarray]) -> None:
        self._channels = tuple(channels)
        slices, rows, columns = self._channels[0].shape
        self.shape = (slices, len(self._channels), rows, columns)
        """(slices, channels, a, b)."""

    def __getitem__(self, slices: slice) -> np.ndarray:
        """Return some of the slices as one array, (slices, channels, a, b)."""
        return np.stack([channel[slices] for channel in self._channels], axis=1)
