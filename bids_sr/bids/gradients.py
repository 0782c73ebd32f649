"""The diffusion gradient table of one run: b-values, directions, shells."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from attrs import cmp_using, evolve, field, frozen
from numpy.typing import ArrayLike, NDArray

from bids_sr.bids.gradient_files import read_rows
from bids_sr.bids.gradient_lengths import apply_lengths, is_nearly_unit, unit_vectors
from bids_sr.errors import InputError

_LOGGER = logging.getLogger("bids_sr")

Floats = NDArray[np.float64]

B0_THRESHOLD = 50.0
"""b-values (s/mm2) up to this one count as b = 0, as in dipy."""
WEAK_B0_THRESHOLD = 100.0
"""Used instead if no b-value is below `B0_THRESHOLD` (imaging gradients can add b = 60)."""

_SHELL_TOLERANCE = (50.0, 0.05)  # s/mm2, fraction of b: the larger of the two
_LARGEST_B = 1e5
"""Beyond what any scanner reaches, s/mm2."""
_SMALL_UNIT = 0.3
"""b-values in s/mm2 are not smaller, except b = 0; those in ms/um2 are."""
_FIT = 6
"""Directions that a tensor needs: a series with as many was acquired for one."""
_COLLINEAR = np.cos(np.deg2rad(1.0))


def _read_only(values: ArrayLike) -> Floats:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


@frozen
class Shell:
    """Volumes that share a b-value."""

    bval: float
    """Median b-value of the shell, rounded to whole s/mm2."""
    indices: NDArray[np.intp] = field(eq=cmp_using(eq=np.array_equal))
    """Volume numbers, ascending."""


@frozen
class GradientTable:
    """The diffusion weighting of each volume.

    Both arrays are copied and made read-only.

    Raises
    ------
    ValueError
        If the shapes do not agree.
    """

    bvals: Floats = field(converter=_read_only, eq=cmp_using(eq=np.array_equal))
    """b-values, shape (V,), in s/mm2."""
    bvecs: Floats = field(converter=_read_only, eq=cmp_using(eq=np.array_equal))
    """Unit (or zero) vectors, shape (V, 3), in image voxel axes (FSL convention)."""
    b0_threshold: float = B0_THRESHOLD
    """Volumes with ``bvals <= b0_threshold`` count as b = 0."""
    warnings: tuple[str, ...] = field(default=(), eq=False)
    """Warnings about the files, as full sentences; usually empty."""
    not_linear: str = ""
    """Why no tensor is fitted: the evidence that volumes were not encoded along one direction each
    (b-tensor encoding). Empty otherwise."""

    @bvecs.validator
    def _shapes_agree(self, attribute: object, value: Floats) -> None:
        if self.bvals.ndim != 1 or value.shape != (self.bvals.size, 3):
            raise ValueError(
                f"bvals {self.bvals.shape} and bvecs {value.shape} must be (V,) and (V, 3)"
            )

    @property
    def n_volumes(self) -> int:
        """Number of volumes, V."""
        return int(self.bvals.size)

    def subset(self, volumes: ArrayLike) -> GradientTable:
        """Return the table of some volumes, in the order given.

        Parameters
        ----------
        volumes : array_like of int
            Counted from 0.

        Returns
        -------
        GradientTable
        """
        chosen = np.asarray(volumes, dtype=np.intp)
        return evolve(self, bvals=self.bvals[chosen], bvecs=self.bvecs[chosen])

    @property
    def is_b0(self) -> NDArray[np.bool_]:
        """Which volumes are b = 0, shape (V,)."""
        return np.asarray(self.bvals <= self.b0_threshold)

    @property
    def n_directions(self) -> int:
        """Number of directions that differ by more than 1 degree; v and -v count as one."""
        distinct: list[Floats] = []
        for vector in self.bvecs[~self.is_b0 & self.bvecs.any(axis=1)]:
            if not distinct or np.max(np.abs(np.stack(distinct) @ vector)) < _COLLINEAR:
                distinct.append(vector)
        return len(distinct)

    @property
    def shells(self) -> tuple[Shell, ...]:
        """Shells in ascending order of b, without b = 0.

        Along the sorted b-values a new shell begins where a value differs by more than 50 s/mm2 and
        5 % from the mean of the shell so far.
        """
        order = np.argsort(self.bvals, kind="stable")
        groups: list[list[int]] = []
        for index in order[~self.is_b0[order]]:
            if groups and self._belongs(int(index), groups[-1]):
                groups[-1].append(int(index))
            else:
                groups.append([int(index)])
        return tuple(
            Shell(float(np.round(np.median(self.bvals[group]))), np.sort(np.array(group)))
            for group in groups
        )

    def _belongs(self, index: int, group: list[int]) -> bool:
        centre = float(np.mean(self.bvals[group]))
        absolute, relative = _SHELL_TOLERANCE
        return bool(self.bvals[index] - centre <= max(absolute, relative * centre))


def read_gradients(
    bval: Path,
    bvec: Path,
    n_volumes: int,
    b0_threshold: float | None = None,
    not_linear: str = "",
) -> GradientTable:
    """Read and check the gradient files of a run of `n_volumes` volumes.

    Numbers may be separated by any mix of blanks, tabs, commas and semicolons.
    Directions may be stored as three rows (FSL) or three columns; a 3x3 file is
    taken as three rows. At b = 0 a NaN direction becomes zero, and one far from unit length is
    kept; at higher b directions are normalized, and where their lengths distinguish shells of one
    nominal b-value, b-values are multiplied by their squares (`bids_sr.bids.gradient_lengths`).

    Parameters
    ----------
    bval, bvec : pathlib.Path
        Files with b-values and directions.
    n_volumes : int
        Volumes of the image they belong to.
    b0_threshold : float, optional
        b-values up to this one count as b = 0; default: `B0_THRESHOLD`, or
        `WEAK_B0_THRESHOLD` if no b-value is below that.
    not_linear : str
        See `GradientTable`. If it is not empty, volumes of b > 0 need no direction.

    Returns
    -------
    GradientTable
        b-values and directions, checked.

    Raises
    ------
    InputError
        If a file cannot be read as numbers, the counts disagree, a b-value is
        negative, or a diffusion-weighted volume has no usable direction.
    """
    bvals = read_bvals(bval)
    bvecs = _read_bvecs(bvec, bvals)
    if not bvals.size == len(bvecs) == n_volumes:
        raise InputError(
            f"{bvals.size} b-values here and {len(bvecs)} directions in {bvec}, "
            f"but the image has {n_volumes} volumes.",
            file=bval,
            remedy="Give the files that were converted together with this image.",
        )
    _refuse_other_units(bvals, bvecs, bval)
    lowest = B0_THRESHOLD if b0_threshold is None else b0_threshold
    bvals, warnings = apply_lengths(bvals, bvecs, lowest, bvec)
    threshold = _b0_threshold(bvals, bval) if b0_threshold is None else b0_threshold
    if not not_linear:
        _refuse_missing(bvals, bvecs, threshold, bvec)
    units = unit_vectors(bvecs, (bvals > threshold) | is_nearly_unit(bvecs))
    return GradientTable(bvals, units, threshold, warnings, not_linear)


def read_bvals(path: Path) -> Floats:
    """Read a file of b-values, (V,), s/mm2; InputError if they are not valid."""
    rows = read_rows(path)
    bvals = np.array([value for row in rows for value in row])
    bad = np.flatnonzero(~np.isfinite(bvals) | (bvals < 0))
    if bad.size:
        raise InputError(
            f"the b-value of volume {bad[0]} is {bvals[bad[0]]:g}.",
            file=path,
            remedy="b-values are finite, not negative, in s/mm2.",
        )
    return bvals


def _read_bvecs(path: Path, bvals: Floats) -> Floats:
    rows = read_rows(path)
    if len({len(row) for row in rows}) == 1:
        table = np.array(rows)
        if table.shape == (3, 3) and bvals.size == 3:
            # either orientation; three rows unless only the columns are directions
            return table if _misfit(table, bvals) < _misfit(table.T, bvals) else table.T
        if table.shape[0] == 3:
            return table.T
        if table.shape[1] == 3:
            return table
    lengths = "x".join(str(n) for n in (len(rows), len(rows[0])))
    raise InputError(
        f"holds {lengths} numbers; directions are three rows (or three columns).",
        file=path,
        remedy="Store x, y and z as three rows with one number per volume.",
    )


def _misfit(bvecs: Floats, bvals: Floats) -> float:
    """Return how far lengths of directions, (V, 3), are from one (at b = 0: or from zero)."""
    off = np.abs(np.linalg.norm(bvecs, axis=1) - 1)
    off = np.where(bvals > B0_THRESHOLD, off, np.minimum(off, 1 - np.minimum(off, 1)))
    return round(float(np.nan_to_num(off, nan=1.0).sum()), 6)


def _refuse_other_units(bvals: Floats, bvecs: Floats, path: Path) -> None:
    largest = float(bvals.max())
    if largest > _LARGEST_B:
        raise InputError(
            f"the largest b-value is {largest:g}, which no scanner reaches in s/mm2.",
            file=path,
            remedy="If they are in s/m2, divide them by 1000000.",
        )
    weighted = (bvals >= _SMALL_UNIT) & is_nearly_unit(bvecs)
    table = GradientTable(np.where(weighted, 1000.0, 0.0), np.where(np.isfinite(bvecs), bvecs, 0))
    # next to a true b = 0, the others are weighted
    if largest <= B0_THRESHOLD and bvals.min() < _SMALL_UNIT and table.n_directions >= _FIT:
        raise InputError(
            f"the largest b-value is {largest:g}, yet {table.n_directions} directions go with it.",
            file=path,
            remedy="b-values are in s/mm2: if they are in ms/um2, multiply them by 1000; if these "
            "volumes are b = 0, write 0.",
        )


def _b0_threshold(bvals: Floats, path: Path) -> float:
    lowest = float(bvals.min())
    if B0_THRESHOLD < lowest <= WEAK_B0_THRESHOLD:
        _LOGGER.warning("%s: no b = 0; the volumes at b = %g serve as b = 0.", path, lowest)
        return WEAK_B0_THRESHOLD
    return B0_THRESHOLD


def _refuse_missing(bvals: Floats, bvecs: Floats, threshold: float, path: Path) -> None:
    norms = np.linalg.norm(bvecs, axis=1)
    missing = np.flatnonzero((bvals > threshold) & ~(norms > 0))  # NaN compares false
    if missing.size:
        raise InputError(
            f"volume {missing[0]} has b = {bvals[missing[0]]:g} but no direction.",
            file=path,
            remedy="If it is a trace image computed by the scanner, take it out of the series.",
        )
