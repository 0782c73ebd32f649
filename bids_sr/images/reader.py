"""Reading NIfTI images volume by volume, to limit memory."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bids_sr.errors import InputError
from bids_sr.images.image_meta import ImageMeta
from bids_sr.images.nifti_file import NiftiFile


class VolumeSource(Protocol):
    """Anything that provides the volumes of a series."""

    path: Path
    """File that it is read from."""
    shape: tuple[int, int, int, int]
    """Voxels along x, y, z and number of volumes."""

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4), voxel indices to world mm."""

    @property
    def meta(self) -> ImageMeta:
        """The header of that file."""

    def volume(self, index: int) -> NDArray[np.float32]:
        """Return a volume, (x, y, z)."""


class DwiReader:
    """A 4D NIfTI image, read volume by volume.

    The header is read when the object is made, voxels when requested. Volumes requested in
    ascending order are decompressed in one pass, and a new pass begins when an earlier one is
    requested. After several passes a ``.nii.gz`` is read once to check that it is complete, and
    indexed as it is read, so that any volume can be read without starting over. Calls from several
    threads are serialized. Voxels that are NaN or infinite are read as zero and counted.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.

    Raises
    ------
    InputError
        If the file is missing, unreadable, not NIfTI, not 4D, holds colours or complex numbers, or
        has a singular affine. The reading methods raise it when the file is truncated or damaged,
        or when a volume has no finite voxel.
    """

    def __init__(self, path: Path) -> None:
        self._file = NiftiFile(path)
        self.path = path
        self.shape: tuple[int, int, int, int] = self._file.meta.series_shape()
        """Voxels along x, y, z and number of volumes."""
        self.nonfinite: dict[int, int] = {}
        """Volumes read so far with NaN or infinite voxels, and how many."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the header, as full sentences; usually empty."""
        return self.meta.warnings

    @property
    def meta(self) -> ImageMeta:
        """The checked header."""
        return self._file.meta

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel indices to world mm, (4, 4): sform if set, else qform."""
        return self.meta.affine

    @property
    def zooms(self) -> tuple[float, float, float]:
        """Voxel size along x, y and z, mm, from `affine`."""
        return self.meta.zooms

    def volume(self, index: int) -> NDArray[np.float32]:
        """Read one volume, with the header's scaling applied.

        Parameters
        ----------
        index : int
            From 0.

        Returns
        -------
        numpy.ndarray
            (x, y, z), float32, owned by the caller.
        """
        if not 0 <= index < self.shape[3]:
            raise IndexError(f"volume {index} of {self.shape[3]}")
        data = self._file.volume(index)
        bad = _zero_nonfinite(data)
        if bad == data.size:
            raise InputError(
                f"volume {index} (counted from 0) is NaN or infinite everywhere.",
                file=self.path,
                remedy="Remove the volume with its b-value and direction.",
            )
        if bad:
            self.nonfinite[index] = bad
        return data

    def check(self) -> None:
        """Read through the file: every byte is present, and every voxel is finite.

        Raises
        ------
        InputError
            If it is truncated or damaged, or a voxel is not finite.
        """
        self._file.check_bytes()
        for index in range(self.shape[3]):
            self.volume(index)
        self.refuse_nonfinite()

    def refuse_nonfinite(self) -> None:
        """Raise InputError if a voxel read so far was NaN or infinite.

        For uses in which zeros would do harm: training, scoring.
        """
        for index, count in self.nonfinite.items():
            raise InputError(
                f"volume {index} (counted from 0) is NaN or infinite in {count} voxels.",
                file=self.path,
                remedy="Repair them or remove the volume with its b-value and direction.",
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> DwiReader:
        """Return the reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


def load_volume(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Read a whole 3D image: a mask or a map.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.

    Returns
    -------
    data : numpy.ndarray
        (x, y, z), float32, with the header's scaling applied.
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.

    Raises
    ------
    InputError
        As `DwiReader`, but for an image that is not 3D. Values need not be finite.
    """
    nifti = NiftiFile(path)
    try:
        nifti.meta.volume_shape()
        return nifti.volume(0), nifti.meta.affine
    finally:
        nifti.close()


def _zero_nonfinite(data: NDArray[np.float32]) -> int:
    """Set NaN and infinite voxels to zero, in place; return how many there were."""
    finite = np.isfinite(data)
    bad = data.size - int(np.count_nonzero(finite))
    if bad:
        data[~finite] = 0
    return bad
