"""Checks of the voxels of a series, made while it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_sr.errors import InputError

if TYPE_CHECKING:
    from bids_sr.images.reader import DwiReader

_SHOWN = 5
"""Number of volumes named in a sentence."""
_SIGNED_SHARE = 0.02
"""Fraction of a volume's summed magnitude below zero from which the sign is signal: clipping would
raise the mean by as much. Spline and sinc interpolation of magnitudes leaves up to 0.2 %, or up to
1.5 % if they were masked before. Noise around zero leaves 0.4 % at a signal-to-noise ratio of 2, 2
% at 1.5, 7 % at 1, and half without signal."""
_HALF_NORMAL = 1.4826
"""Ratio of the standard deviation of normal noise to the median of its magnitude."""
_SIGNED_VOLUMES = 0.1
"""Fraction of volumes that must be signed."""


class SeriesChecks:
    """Checks each volume once, and collects warnings for log and report.

    Parameters
    ----------
    sidecar : mapping, optional
        BIDS metadata of the series.
    """

    def __init__(self, sidecar: Mapping[str, Any] | None = None) -> None:
        component = (sidecar or {}).get("ComplexImageComponent")
        self._real = isinstance(component, str) and component.upper() == "REAL"
        self._voxels = 0
        self._negative = 0
        self._lowest = 0.0
        self._constant: list[int] = []
        self._volumes = 0
        self._signed = 0
        self._sigmas: list[float] = []
        self.largest = 0.0
        """Largest value of all, or 0."""

    def add(self, index: int, volume: NDArray[np.float32]) -> None:
        """Check one volume.

        Parameters
        ----------
        index : int
            From 0.
        volume : numpy.ndarray
            (x, y, z), finite. Not changed.
        """
        low, high = float(volume.min()), float(volume.max())
        self._volumes += 1
        self._voxels += volume.size
        self.largest = max(self.largest, high)
        if low == high:
            self._constant.append(index)
        if low < 0:
            below = volume[volume < 0]
            self._negative += below.size
            self._lowest = min(self._lowest, low)
            magnitude = float(np.abs(volume).sum(dtype=np.float64))
            self._sigmas.append(float(np.median(-below)) * _HALF_NORMAL)
            self._signed += -float(below.sum(dtype=np.float64)) > _SIGNED_SHARE * magnitude

    @property
    def signed(self) -> bool:
        """Whether the series is real-valued, with noise on both sides of zero.

        As after phase correction, which keeps the real part instead of the magnitude. A few
        negative voxels, as from interpolation, are not enough unless the sidecar confirms it
        (``ComplexImageComponent``).
        """
        if self._real:
            return self._negative > 0
        return self._signed > 0 and self._signed >= _SIGNED_VOLUMES * self._volumes

    @property
    def sigma(self) -> float:
        """Noise of a signed series, from the values below zero; too small if these are tissue."""
        return float(np.median(self._sigmas)) if self._sigmas else 0.0

    def refuse_signed(self, path: Path, use: str) -> None:
        """Raise InputError if the series is `signed`.

        Parameters
        ----------
        path : pathlib.Path
            Of the series.
        use : str
            Why it cannot be used, as the end of a sentence.

        Raises
        ------
        InputError
        """
        if self.signed:
            raise InputError(
                f"is signed ({self._negative} of {self._voxels} voxels are negative), as"
                f" phase-corrected real-valued data are; {use}.",
                file=path,
                remedy="Use the magnitude images.",
            )

    def warnings(self, nonfinite: Mapping[int, int]) -> tuple[str, ...]:
        """Return warnings, as full sentences.

        Parameters
        ----------
        nonfinite : mapping of int to int
            Volumes with NaN or infinite voxels, and how many.

        Returns
        -------
        tuple of str
        """
        said = []
        if nonfinite:
            said.append(
                f"{sum(nonfinite.values())} of {self._voxels} voxels are NaN or infinite"
                f" (volumes {some(nonfinite)}); they are read as zero."
            )
        if self._constant:
            said.append(
                f"Volumes {some(self._constant)} hold a single value; they are used as they are"
                " and impair all fits."
            )
        if self._negative:
            become = (
                "the series is signed (real-valued, not magnitude) and keeps its sign; its noise"
                " is Gaussian, not Rician."
                if self.signed
                else "the super-resolved series is clipped at zero."
            )
            said.append(
                f"{self._negative} of {self._voxels} voxels are negative (lowest"
                f" {self._lowest:g}); {become}"
            )
        return tuple(said)


def checked_volumes(reader: DwiReader, checks: SeriesChecks) -> Iterator[NDArray[np.float32]]:
    """Yield the volumes of a series, (x, y, z) each, after checking them."""
    for index in range(reader.shape[3]):
        volume = reader.volume(index)
        checks.add(index, volume)
        yield volume


def some(volumes: Iterable[int]) -> str:
    """List the first few of some volumes, in words."""
    ordered = sorted(volumes)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(map(str, ordered[:_SHOWN])) + more
