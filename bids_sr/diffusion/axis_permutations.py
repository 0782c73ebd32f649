"""Axis errors of gradient tables, and their corrections."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from attrs import cmp_using, field, frozen
from numpy.typing import NDArray

from bids_sr.diffusion.frames import voxel_rotation

Floats = NDArray[np.float64]

EXPECTED = "as expected"
"""Name of a table without errors."""
WORLD_RAS = "in the world's frame"
WORLD_LPS = "in the world's frame (LPS)"
"""DICOM axes: to the patient's left, back and head."""

_AXES = "xyz"
_SMALLEST_TURN = 5.0
"""Degrees: at smaller rotations the world frame cannot be distinguished from the voxel axes."""


@frozen
class AxisPermutation:
    """An axis error of a gradient table."""

    words: str
    """Its name: ``x flipped``, ``y and z exchanged``, both separated by a comma, or `EXPECTED`.
    Axes are those of the corrected table; x, y, z are the image's i, j, k."""
    matrix: Floats = field(eq=cmp_using(eq=np.array_equal))
    """(3, 3), orthogonal: a direction g of the table, as read, becomes ``matrix @ g``."""
    edit: str
    """Instruction to correct the bvec file, without its full stop."""

    def undone(self, bvecs: Floats) -> Floats:
        """Return the corrected directions (V, 3)."""
        return bvecs @ self.matrix.T


@lru_cache(maxsize=1)
def signed_permutations() -> tuple[AxisPermutation, ...]:
    """Return the 24 signed permutations of three axes: 6 orders times 4 choices of signs.

    A direction and its opposite are equivalent, so flipping two axes is flipping the third, and
    flipping all three has no effect.

    Returns
    -------
    tuple of AxisPermutation
        `EXPECTED` first, then each of the others once.
    """
    found = []
    for order in itertools.permutations(range(3)):
        for flipped in (None, 0, 1, 2):
            signs = np.where(np.arange(3) == flipped, -1.0, 1.0)
            words = [f"{_AXES[flipped]} flipped"] if flipped is not None else []
            edits = []
            if order != (0, 1, 2):
                name, edit = _order(order)
                words.append(name)
                edits.append(edit)
            if flipped is not None:
                edits.append(f"change the sign of {_AXES[flipped]}")
            matrix = signs[:, None] * np.eye(3)[list(order)]
            found.append(
                AxisPermutation(", ".join(words) or EXPECTED, matrix, ", then ".join(edits))
            )
    return tuple(found)


def world_frames(affine: Floats) -> tuple[AxisPermutation, ...]:
    """Return the errors of a table that was written along the world axes.

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.

    Returns
    -------
    tuple of AxisPermutation
        World axes of NIfTI (RAS+) and of DICOM (LPS+). Empty if the image is not oblique: then such
        a table is one of `signed_permutations`.
    """
    rotation, first = voxel_rotation(affine)
    edit = "convert it to FSL's convention, along the voxel axes of the image"
    found = []
    for words, signs in ((WORLD_RAS, (1.0, 1.0, 1.0)), (WORLD_LPS, (-1.0, -1.0, 1.0))):
        matrix = (first[:, None] * rotation.T) * signs
        if turn(matrix, nearest(matrix).matrix) > _SMALLEST_TURN:
            found.append(AxisPermutation(words, matrix, edit))
    return tuple(found)


def nearest(matrix: Floats) -> AxisPermutation:
    """Return the signed permutation closest to an orthogonal matrix (3, 3)."""
    return min(signed_permutations(), key=lambda exchange: turn(matrix, exchange.matrix))


def turn(one: Floats, other: Floats) -> float:
    """Return the angle between two orthogonal matrices (3, 3), degrees, ignoring signs."""
    cosine = (abs(np.trace(one @ other.T)) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def edit_of(words: str) -> str:
    """Return the instruction to correct an error of this name; empty if there is none."""
    edits = {exchange.words: exchange.edit for exchange in signed_permutations()}
    edits |= dict.fromkeys(
        (WORLD_RAS, WORLD_LPS), "convert it to FSL's convention, along the voxel axes of the image"
    )
    return edits.get(words, "")


def _order(order: tuple[int, ...]) -> tuple[str, str]:
    moved = [axis for axis in range(3) if order[axis] != axis]
    names = [_AXES[axis] for axis in moved]
    if len(moved) == 2:
        return " and ".join(names) + " exchanged", "exchange " + " and ".join(names)
    where = ", ".join(_AXES[axis] for axis in order)
    stored = ", ".join(_AXES[order.index(row)] for row in range(3))
    return f"rows in the order {stored}", f"write its rows in the order {where}"
