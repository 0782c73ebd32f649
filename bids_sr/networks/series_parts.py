"""Decomposition of a series into series-network input, and recomposition from the output.

A shell's signal is split into its mean and five l = 2 functions of direction, in the frame of the
slice (`bids_sr.networks.angular_parts`). The b0s form one further part.
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
"""Number of l = 2 functions."""
PARTS = 2 + L2_PARTS
"""Images of one shell: b0, mean, and l = 2 in the order of `angular_parts.harmonics`."""
MIN_MEAN_DIRECTIONS = 6
"""Number of directions from which their mean stands for the mean over the sphere."""


def _floats(value: Floats) -> Floats:
    return np.asarray(value, np.float64)


@frozen(eq=False)
class ShellParts:
    """Decomposition and recomposition of the volumes of one shell."""

    bval: float
    """b-value, s/mm2."""
    indices: NDArray[np.intp]
    """Indices of its V volumes."""
    weights: Floats = field(converter=_floats)
    """(1 + 5, V): weights of the volumes in the mean and the l = 2 coefficients. The l = 2 rows are
    zero if there are too few directions to determine them."""
    functions: Floats = field(converter=_floats)
    """(V, 1 + 5): weights of the coefficients in each volume. The l = 2 columns are zero where
    those rows of `weights` are."""

    @property
    def has_l2(self) -> bool:
        """Whether the directions determine l = 2."""
        return bool(self.weights[1:].any())


@frozen(eq=False)
class SeriesParts:
    """Decomposition of a series into its b0s and shells."""

    b0s: NDArray[np.intp]
    """Indices of the b0 volumes."""
    shells: tuple[ShellParts, ...]
    """Shells in ascending order of b."""

    @property
    def details(self) -> int:
        """Number of images of detail: b0, and mean and l = 2 of each shell."""
        shells = sum(1 + L2_PARTS if shell.has_l2 else 1 for shell in self.shells)
        return bool(self.b0s.size) + shells

    def place(self, index: int) -> tuple[int | None, int]:
        """Return the shell of a volume (None: b0) and its row there."""
        for number, shell in enumerate(self.shells):
            rows = np.flatnonzero(shell.indices == index)
            if rows.size:
                return number, int(rows[0])
        return None, int(np.flatnonzero(self.b0s == index)[0])


def series_parts(gradients: GradientTable, frame: SliceFrame) -> SeriesParts:
    """Determine the decomposition of a series.

    Parameters
    ----------
    gradients : GradientTable
        Gradient table of the series.
    frame : SliceFrame
        Orientation of its slices.

    Returns
    -------
    SeriesParts
        Shells whose encoding is not linear have a mean only.
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
            # the model may include l = 4, in the gradient frame: this changes neither the mean nor,
            # apart from the frame, l = 2
            rows = np.vstack([model.parts[MEAN], model.parts[L2]])
            turned = between_frames(frame)
            weights = rows @ model.inverse
            weights[1:] = turned @ weights[1:]
            functions = own
        shells.append(ShellParts(model.bval, model.indices, weights, functions))
    return SeriesParts(b0s, tuple(shells))


def between_frames(frame: SliceFrame) -> Floats:
    """Return the matrix that takes l = 2 coefficients to the frame of the slices, (5, 5)."""
    return _rotation(frame.axes)


@lru_cache(maxsize=32)
def turned_parts(quarter: int, *, flip: bool, back: bool = False) -> Floats:
    """Return how l = 2 coefficients transform when a slice or the stack is rotated or flipped.

    Parameters
    ----------
    quarter : int
        Quarter turns of the slice (`numpy.rot90` over rows and columns), applied first.
    flip : bool
        Whether its columns are reversed afterwards.
    back : bool
        Whether the previous and next slices are swapped.

    Returns
    -------
    numpy.ndarray
        (5, 5): multiply the transformed images' coefficients by this matrix. Each row has one
        non-zero entry, 1 or -1.
    """
    # after rot90, the former column axis, reversed, runs along the rows
    turn = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarter % 4)
    if flip:
        turn = np.diag([1.0, -1.0]) @ turn
    whole = np.diag([1.0, 1.0, -1.0 if back else 1.0])
    whole[:2, :2] = turn
    return np.asarray(np.round(_rotation(whole)), np.float64)


def _rotation(axes: Floats) -> Floats:
    """Return M, (5, 5): if directions v become ``axes v``, l = 2 coefficients c become M c."""
    vectors = _spread()
    old, new = (harmonics(v, 2)[0][:, 1:] for v in (vectors, vectors @ axes.T))
    # the signal does not change: new c' = old c
    return np.asarray(np.linalg.lstsq(new, old, rcond=None)[0], np.float64)


def _spread() -> Floats:
    """Return unit vectors that determine all l = 2 functions."""
    steps = np.arange(24) + 0.5
    z, angle = 1 - steps / 12, steps * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
