"""What is odd about the voxels of a series, counted while it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

_SHOWN = 5
"""Volumes named in a sentence."""


class Census:
    """Looks at each volume once; its doubts are for the log and for the report."""

    def __init__(self) -> None:
        self._voxels = 0
        self._negative = 0
        self._lowest = 0.0
        self._constant: list[int] = []
        self.largest = 0.0
        """Largest value of all, or 0."""

    def add(self, index: int, volume: NDArray[np.float32]) -> None:
        """Look at one volume.

        Parameters
        ----------
        index : int
            From 0.
        volume : numpy.ndarray
            (x, y, z), finite. Not changed.
        """
        low, high = float(volume.min()), float(volume.max())
        self._voxels += volume.size
        self.largest = max(self.largest, high)
        if low == high:
            self._constant.append(index)
        if low < 0:
            self._negative += int(np.count_nonzero(volume < 0))
            self._lowest = min(self._lowest, low)

    def doubts(self, nonfinite: Mapping[int, int]) -> tuple[str, ...]:
        """Return what was odd, in whole sentences.

        Parameters
        ----------
        nonfinite : mapping of int to int
            Volumes with voxels that have no value, and how many.

        Returns
        -------
        tuple of str
        """
        said = []
        if nonfinite:
            said.append(
                f"{sum(nonfinite.values())} of {self._voxels} voxels are NaN or infinite"
                f" (volumes {some(nonfinite)}); they count as zero."
            )
        if self._constant:
            said.append(
                f"Volumes {some(self._constant)} hold one value only; they are used as they are"
                " and spoil what is fitted to them."
            )
        if self._negative:
            said.append(
                f"{self._negative} of {self._voxels} voxels are negative (lowest"
                f" {self._lowest:g}); below zero the super-resolved series is cut off."
            )
        return tuple(said)


def some(volumes: Iterable[int]) -> str:
    """Name the first few of some volumes, in words."""
    ordered = sorted(volumes)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(map(str, ordered[:_SHOWN])) + more
