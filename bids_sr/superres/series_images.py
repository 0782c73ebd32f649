"""Input of a network for the series: images of each shell, collected volume by volume."""

from __future__ import annotations

import numpy as np

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.grid import to_slices
from bids_sr.images.intensity import bright_level
from bids_sr.networks.series_network import SLICES
from bids_sr.networks.series_parts import PARTS, series_parts
from bids_sr.networks.slice_frame import SliceFrame


class SeriesImages:
    """Mean b0, and mean and l = 2 coefficients of each shell.

    Memory holds one volume per image, not the whole series.

    Parameters
    ----------
    gradients : GradientTable
        Gradients of the series.
    frame : SliceFrame
        Orientation of the slices in the volumes to be added.
    """

    def __init__(self, gradients: GradientTable, frame: SliceFrame) -> None:
        self.parts = series_parts(gradients, frame)
        self._axis = frame.across
        self._b0: np.ndarray | None = None
        self._shells: list[np.ndarray | None] = [None] * len(self.parts.shells)
        self._units: dict[int, np.ndarray] = {}

    def add(self, index: int, volume: np.ndarray) -> None:
        """Add a volume.

        Parameters
        ----------
        index : int
            Position in the series; each is added once.
        volume : numpy.ndarray
            (x, y, z), nonnegative, in units of the run's scale. Not modified.
        """
        number, row = self.parts.place(index)
        if number is None:
            share = volume / np.float32(len(self.parts.b0s))
            self._b0 = share if self._b0 is None else np.add(self._b0, share, out=self._b0)
            return
        shell = self.parts.shells[number]
        weights = shell.weights[: None if shell.has_l2 else 1, row].astype(np.float32)
        images = self._shells[number]
        if images is None:
            images = self._shells[number] = np.zeros((len(weights), *volume.shape), np.float32)
        for image, weight in zip(images, weights, strict=True):
            image += weight * volume

    def stack(self, number: int, start: int, stop: int) -> np.ndarray:
        """Return the network input for some slices.

        Parameters
        ----------
        number : int
            Index of the shell; without shells, 0 gives the b0s alone.
        start, stop : int
            Range of slices, `stop` excluded.

        Returns
        -------
        numpy.ndarray
            (stop - start, 3 * 7, a, b), float32, each image in units of its bright tissue.
        """
        units = self.units(number)
        known: list[np.ndarray | None] = [self._b0]
        known += [] if not self._shells else list(self._shells[number])  # type: ignore[arg-type]
        whole = next(to_slices(image, self._axis) for image in known if image is not None)
        own = np.arange(start, stop)
        slices = [own, np.maximum(own - 1, 0), np.minimum(own + 1, len(whole) - 1)]
        stack = np.zeros((stop - start, SLICES, PARTS, *whole.shape[1:]), np.float32)
        for part, image in enumerate(known):
            if image is not None:
                for place, which in enumerate(slices):
                    stack[:, place, part] = to_slices(image, self._axis)[which] / units[part]
        return stack.reshape(stop - start, SLICES * PARTS, *whole.shape[1:])

    def units(self, number: int) -> np.ndarray:
        """Return the unit of each image of a shell, (7,) float32, in units of the run's scale.

        To be called when all volumes have been added.
        """
        if number not in self._units:
            units = self._units[number] = np.ones(PARTS, np.float32)
            images = self._shells[number] if self._shells else None
            if self._b0 is not None:
                units[0] = bright_level(self._b0)
            if images is not None:
                units[1:] = bright_level(images[0])
        return self._units[number]

    def forget(self, number: int) -> None:
        """Drop the images of a shell that is done."""
        if self._shells:
            self._shells[number] = None
