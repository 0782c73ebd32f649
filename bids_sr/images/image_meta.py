"""The checked header of an image: everything but its voxels."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from attrs import field, frozen
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from bids_sr.errors import InputError


@frozen
class ImageMeta:
    """The header of an image that passed the checks (`bids_sr.images.header.read_header`)."""

    path: Path
    """The file."""
    shape: tuple[int, ...]
    """Voxels along each axis; none is empty, and there are no singleton axes after the fourth."""
    affine: NDArray[np.float64] = field(eq=False)
    """(4, 4), voxel indices to world mm: sform if set, else qform. Not singular."""
    dtype: np.dtype[np.generic]
    """Data type of the voxels on disk, including byte order: integer or float."""
    offset: int
    """Byte of the uncompressed file at which the voxels begin."""
    slope: float = 1.0
    """Value of one unit on disk."""
    intercept: float = 0.0
    """Value of a zero on disk."""
    qform_code: int = 0
    """NIfTI code of the qform's space; 0: none."""
    sform_code: int = 0
    """The same for the sform."""
    encoding_axes: tuple[int | None, int | None, int | None] = (None, None, None)
    """Voxel axes of frequency, phase and slice encoding, where the header gives them."""
    repetition_time: float = 0.0
    """Time between two volumes, s; 0 if unknown."""
    warnings: tuple[str, ...] = field(default=(), eq=False)
    """Warnings about the header, as full sentences; usually empty."""

    @property
    def zooms(self) -> tuple[float, float, float]:
        """Voxel size along x, y and z, mm, from `affine`."""
        x, y, z = (float(size) for size in voxel_sizes(self.affine))
        return x, y, z

    @property
    def volume_bytes(self) -> int:
        """Bytes of a volume on disk, uncompressed."""
        return math.prod(self.shape[:3]) * int(self.dtype.itemsize)

    @property
    def promised_bytes(self) -> int:
        """Bytes of the whole file, uncompressed."""
        return self.offset + math.prod(self.shape[3:]) * self.volume_bytes

    def series_shape(self) -> tuple[int, int, int, int]:
        """Return the voxels along x, y and z and the number of volumes.

        Raises
        ------
        InputError
            If the image is not 4D.
        """
        if len(self.shape) != 4:
            raise InputError(
                f"is a {len(self.shape)}D image of {_by(self.shape)} voxels; "
                "a diffusion series has 4 dimensions.",
                file=self.path,
                remedy="Give the whole series with b = 0 and diffusion-weighted volumes.",
            )
        x, y, z, volumes = self.shape
        return x, y, z, volumes

    def volume_shape(self) -> tuple[int, int, int]:
        """Return the voxels along x, y and z of a single volume.

        Raises
        ------
        InputError
            If the image is not 3D; a fourth axis may have one voxel.
        """
        if len(self.shape) != 3 and self.shape[3:] != (1,):
            raise InputError(
                f"is a {len(self.shape)}D image of {_by(self.shape)} voxels, but 3 dimensions are"
                " expected.",
                file=self.path,
                remedy="Give a 3D image.",
            )
        x, y, z = self.shape[:3]
        return x, y, z


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
