"""Splitting a series into the input of a network for the series, and reassembling its output.

A shell's signal is split into its mean and five functions of direction, l = 2 in the frame of
the slice (`bids_sr.networks.angular_parts`). The b0s are one part more.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.networks.angular_parts import B0, L2, MEAN, angular_models, harmonics
from bids_sr.networks.slice_frame import SliceFrame

Floats = NDArray[np.float64]

L2_PARTS = 5
"""Functions of l = 2."""
PARTS = 2 + L2_PARTS
"""Images of one shell: b0, mean, and l = 2 in the order of `angular_parts.harmonics`."""
MIN_MEAN_DIRECTIONS = 6
"""Directions from which their mean stands for the mean over the sphere."""


def _floats(value: Floats) -> Floats:
    return np.asarray(value, np.float64)


@frozen(eq=False)
class ShellParts:
    """How the volumes of one shell are split, and put together again."""

    bval: float
    """s/mm2."""
    indices: NDArray[np.intp]
    """Its V volumes."""
    weights: Floats = field(converter=_floats)
    """(1 + 5, V): mean and l = 2 coefficients are so much of each volume. Rows of l = 2 are
    zero where too few directions tell them apart."""
    functions: Floats = field(converter=_floats)
    """(V, 1 + 5): each volume has so much of the coefficients. Columns of l = 2 are zero where
    its weights are."""

    @property
    def has_l2(self) -> bool:
        """Whether the directions determine l = 2."""
        return bool(self.weights[1:].any())


@frozen(eq=False)
class SeriesParts:
    """How a series is split: its b0s and its shells."""

    b0s: NDArray[np.intp]
    """Volumes without weighting."""
    shells: tuple[ShellParts, ...]
    """In ascending order of b."""

    def place(self, index: int) -> tuple[int | None, int]:
        """Return which shell a volume is of (None: b0), and its row there."""
        for number, shell in enumerate(self.shells):
            rows = np.flatnonzero(shell.indices == index)
            if rows.size:
                return number, int(rows[0])
        return None, int(np.flatnonzero(self.b0s == index)[0])


def series_parts(gradients: GradientTable, frame: SliceFrame) -> SeriesParts:
    """Determine how a series is split.

    Parameters
    ----------
    gradients : GradientTable
        Of the series.
    frame : SliceFrame
        How its slices lie.

    Returns
    -------
    SeriesParts
        Shells whose encoding is not linear have only a mean.
    """
    b0s, shells = np.zeros(0, np.intp), []
    for model in angular_models(gradients):
        if model.shell == B0:
            b0s = model.indices
            continue
        count = len(model.indices)
        weights, functions = np.zeros((1 + L2_PARTS, count)), np.zeros((count, 1 + L2_PARTS))
        weights[0], functions[:, 0] = 1 / count, 1
        if L2 in model.parts and not gradients.not_linear:
            own = harmonics(gradients.bvecs[model.indices] @ frame.axes.T, 2)[0]
            # the model may hold l = 4 too, in the frame of the gradients: the same mean, and
            # the same l = 2 but for the frame
            rows = np.vstack([model.parts[MEAN], model.parts[L2]])
            turned = between_frames(frame)
            weights = rows @ model.inverse
            weights[1:] = turned @ weights[1:]
            functions = own
        shells.append(ShellParts(model.bval, model.indices, weights, functions))
    return SeriesParts(b0s, tuple(shells))


def between_frames(frame: SliceFrame) -> Floats:
    """Return what l = 2 coefficients are multiplied by to be in the frame of slices, (5, 5)."""
    return _rotation(frame.axes)


@lru_cache(maxsize=32)
def turned_parts(quarter: int, *, flip: bool, back: bool = False) -> Floats:
    """Return how the l = 2 coefficients change when a slice, or the stack, is turned.

    Parameters
    ----------
    quarter : int
        Quarter turns of the slice (`numpy.rot90` over rows and columns), made first.
    flip : bool
        Whether its columns are reversed afterwards.
    back : bool
        Whether the slices before and after change places.

    Returns
    -------
    numpy.ndarray
        (5, 5): coefficients of the turned images are this matrix times the turned
        coefficients. Each row has one entry, 1 or -1.
    """
    # an array turned by rot90 has along its rows what was along the columns, reversed
    turn = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarter % 4)
    if flip:
        turn = np.diag([1.0, -1.0]) @ turn
    whole = np.diag([1.0, 1.0, -1.0 if back else 1.0])
    whole[:2, :2] = turn
    return np.asarray(np.round(_rotation(whole)), np.float64)


def _rotation(axes: Floats) -> Floats:
    """Return M, (5, 5): where directions v become ``axes v``, l = 2 coefficients c become M c."""
    vectors = _spread()
    old, new = (harmonics(v, 2)[0][:, 1:] for v in (vectors, vectors @ axes.T))
    # the signal is the same: new c' = old c
    return np.asarray(np.linalg.lstsq(new, old, rcond=None)[0], np.float64)


def _spread() -> Floats:
    """Return unit vectors that tell all functions of l = 2 apart."""
    steps = np.arange(24) + 0.5
    z, angle = 1 - steps / 12, steps * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
