"""Voxel grids: the slice axis, and the positions of super-resolved voxels."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen
from nibabel.affines import voxel_sizes
from numpy.typing import ArrayLike, NDArray

_LOG = logging.getLogger("bids_sr")

_THICKER = 1.01
"""Ratio from which a slice counts as thicker than the in-plane voxel side.

Reconstruction rounds voxel sides by some tenths of a percent (2.707 against
2.7 mm is common); thick-slice protocols differ by ten percent and more.
"""

_AXIS_OF_LETTER = {"i": 0, "j": 1, "k": 2}


def _affine(value: ArrayLike) -> NDArray[np.float64]:
    return np.array(value, dtype=np.float64)


def _shape(value: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(n) for n in value)


@frozen(eq=False)
class SliceGrid:
    """The grid of an acquired image and the in-plane refinement of it."""

    shape: tuple[int, ...] = field(converter=_shape)
    """Voxels along the three voxel axes of the acquired image."""

    affine: NDArray[np.float64] = field(converter=_affine)
    """Voxel indices to world mm, (4, 4), acquired image."""

    slice_axis: int = field()
    """Voxel axis across the slices, 0 to 2; it is not refined."""

    factor: int = field()
    """How many output voxels replace one along each in-plane axis."""

    @shape.validator
    def _check_shape(self, _attribute: object, value: tuple[int, ...]) -> None:
        if len(value) != 3 or min(value) < 1:
            raise ValueError(f"shape must be three positive numbers, not {value}")

    @affine.validator
    def _check_affine(self, _attribute: object, value: NDArray[np.float64]) -> None:
        if value.shape != (4, 4) or not np.linalg.det(value[:3, :3]):
            raise ValueError("affine must be an invertible 4 x 4 matrix")

    @slice_axis.validator
    def _check_slice_axis(self, _attribute: object, value: int) -> None:
        if value not in (0, 1, 2):
            raise ValueError(f"slice_axis must be 0, 1 or 2, not {value}")

    @factor.validator
    def _check_factor(self, _attribute: object, value: int) -> None:
        if value < 1:
            raise ValueError(f"factor must be at least 1, not {value}")

    @property
    def in_plane(self) -> tuple[int, int]:
        """The two voxel axes within a slice, ascending."""
        return in_plane_axes(self.slice_axis)

    @property
    def zooms(self) -> tuple[float, float, float]:
        """Acquired voxel size along the three voxel axes, mm."""
        return _zooms(self.affine)

    @property
    def fine_zooms(self) -> tuple[float, float, float]:
        """Super-resolved voxel size along the three voxel axes, mm."""
        x, y, z = (
            zoom / self.factor if axis in self.in_plane else zoom
            for axis, zoom in enumerate(self.zooms)
        )
        return x, y, z

    @property
    def high_resolution(self) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
        """Shape and affine of the refined grid; the field of view is kept.

        The edges of the field of view do not move, so the first refined
        voxel centre lies ``(1 / factor - 1) / 2`` acquired voxels from the first
        acquired one on both in-plane axes (-1/4 for 2, -1/3 for 3).

        Returns
        -------
        shape : tuple of int
        affine : numpy.ndarray
            (4, 4), float64.
        """
        step, start, shape = np.ones(3), np.zeros(3), list(self.shape)
        for axis in self.in_plane:
            step[axis] = 1 / self.factor
            start[axis] = (1 / self.factor - 1) / 2
            shape[axis] *= self.factor
        to_acquired = np.diag([*step, 1.0])
        to_acquired[:3, 3] = start
        return (shape[0], shape[1], shape[2]), self.affine @ to_acquired


def in_plane_axes(slice_axis: int) -> tuple[int, int]:
    """Return the two voxel axes that are not the slice axis, ascending."""
    first, second = (axis for axis in range(3) if axis != slice_axis)
    return first, second


def choose_slice_axis(
    shape3: Sequence[int],
    zooms: Sequence[float],
    sidecar: Mapping[str, Any],
    override: int | None = None,
    dim_info_slice: int | None = None,
) -> int:
    """Determine the slice axis, the voxel axis across the acquired slices.

    In this order: the user's choice; ``SliceEncodingDirection`` of the sidecar; the one axis whose
    voxel side is longer than the other two by more than one percent; the slice axis in the NIfTI
    header (``dim_info``); the third axis. Phase is encoded within the slice, so the axis of the
    sidecar's ``PhaseEncodingDirection`` is never guessed.

    Parameters
    ----------
    shape3 : sequence of int
        Voxels along the three voxel axes.
    zooms : sequence of float
        Voxel size along the three voxel axes, mm.
    sidecar : mapping
        BIDS metadata of the run.
    override : int, optional
        The user's choice, 0 to 2.
    dim_info_slice : int, optional
        Third value of ``header.get_dim_info()``, if the header has one.

    Returns
    -------
    int
        0, 1 or 2.
    """
    if override is not None:
        if override not in (0, 1, 2):
            raise ValueError(f"the slice axis must be 0, 1 or 2, not {override}")
        return override
    encoded = _sidecar_axis(sidecar, "SliceEncodingDirection")
    if encoded is not None:
        return encoded
    phase = _sidecar_axis(sidecar, "PhaseEncodingDirection")
    for guess in (_thick_axis(zooms), dim_info_slice):
        if guess is not None and guess != phase:
            return guess
    guess = 1 if phase == 2 else 2
    _LOG.debug("slice axis of a %s image not stated: assuming %d", tuple(shape3), guess)
    return guess


def to_slices(volume: NDArray[Any], slice_axis: int) -> NDArray[Any]:
    """View a volume as a stack of slices.

    Parameters
    ----------
    volume : numpy.ndarray
        (x, y, z), any type.
    slice_axis : int
        0 to 2.

    Returns
    -------
    numpy.ndarray
        (n_slices, a, b), a view; a and b are the in-plane axes, ascending.
    """
    return np.moveaxis(volume, slice_axis, 0)


def from_slices(slices: NDArray[Any], slice_axis: int) -> NDArray[Any]:
    """View a stack of slices as a volume; the inverse of `to_slices`.

    Parameters
    ----------
    slices : numpy.ndarray
        (n_slices, a, b), a and b the in-plane axes, ascending.
    slice_axis : int
        0 to 2.

    Returns
    -------
    numpy.ndarray
        (x, y, z), a view.
    """
    return np.moveaxis(slices, 0, slice_axis)


def _zooms(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(size) for size in voxel_sizes(affine))
    return x, y, z


def _sidecar_axis(sidecar: Mapping[str, Any], key: str) -> int | None:
    value = sidecar.get(key)
    if isinstance(value, str):
        return _AXIS_OF_LETTER.get(value.strip().rstrip("-"))
    return None


def _thick_axis(zooms: Sequence[float]) -> int | None:
    thickest = int(np.argmax(zooms))
    others = [zoom for axis, zoom in enumerate(zooms) if axis != thickest]
    return thickest if zooms[thickest] > _THICKER * max(others) else None
