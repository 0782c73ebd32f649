"""Channels of a volume, stacked a few slices at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class SliceStack:
    """The network input of one volume.

    Most channels are the same arrays for all volumes of a shell; stacked for a whole volume,
    each queued volume would hold its own copy.

    Parameters
    ----------
    channels : sequence of numpy.ndarray
        (slices, a, b) each; not copied.
    measured : numpy.ndarray, optional
        The volume itself, (slices, a, b), used for interpolation and consistency, if the first
        channel differs from it.
    """

    def __init__(self, channels: Sequence[np.ndarray], measured: np.ndarray | None = None) -> None:
        self._channels = tuple(channels)
        self.measured = self._channels[0] if measured is None else measured
        """The volume itself, (slices, a, b)."""
        slices, rows, columns = self._channels[0].shape
        self.shape = (slices, len(self._channels), rows, columns)
        """(slices, channels, a, b)."""

    def __getitem__(self, slices: slice) -> np.ndarray:
        """Return some of the slices as one array, (slices, channels, a, b)."""
        return np.stack([channel[slices] for channel in self._channels], axis=1)
