"""Writing NIfTI images, whole or not at all, volume by volume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from isal import igzip
from nibabel.nifti1 import Nifti1Header
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bids_sr.bids.atomic import atomic_path
from bids_sr.images.image_meta import ImageMeta
from bids_sr.resources import read_version

_COMPRESSION = 1
"""isal's fastest setting; higher ones gain little on noise."""


class VolumeWriter:
    """Write a 4D NIfTI image volume by volume.

    Use it as a context manager: the file appears under its name if the block succeeds with all
    volumes written; otherwise nothing is left.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.
    shape4 : tuple of int
        Voxels along x, y, z and number of volumes.
    affine : array_like
        (4, 4), voxel indices to world mm; becomes both sform and qform.
    zooms : sequence of float, optional
        Voxel sizes along x, y, z, mm; they must be those of `affine`.
    like : ImageMeta, optional
        Source of repetition time, orientation codes and slice axis.
    dtype : data type
        On disk.
    step : float
        Value of one unit on disk, for integers: the header's scaling. Values are rounded to the
        nearest, and those outside the data type's range are clipped (`clipped`).

    Raises
    ------
    OutputError
        If the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        shape4: tuple[int, ...],
        affine: ArrayLike,
        zooms: tuple[float, ...] | None = None,
        like: ImageMeta | None = None,
        dtype: DTypeLike = np.float32,
        step: float = 1.0,
    ) -> None:
        self.path = path
        self.clipped = 0
        """Voxels outside the data type's range."""
        self._shape = tuple(int(n) for n in shape4)
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._step = np.float32(step)
        self._header = _make_header(self._shape, affine, like, self._dtype)
        self._header.set_slope_inter(self._step, 0)
        if zooms is not None:
            made = self._header.get_zooms()[:3]
            if not np.allclose(zooms[:3], made, rtol=1e-3):
                raise ValueError(f"zooms {zooms} differ from those of the affine, {made}")
        self._written = 0
        self._stack = ExitStack()
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> VolumeWriter:
        """Open a temporary file in the same folder and write the header."""
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            self._stream = _open(temporary, stack)
            self._stream.write(self._header.binaryblock)
            self._stream.write(bytes(4))  # no header extensions follow
            self._stack = stack.pop_all()
        return self

    def write(self, volume: NDArray[Any]) -> None:
        """Append one volume.

        Parameters
        ----------
        volume : numpy.ndarray
            (x, y, z); converted to the data type on disk. Not changed.
        """
        if self._stream is None:
            raise ValueError("VolumeWriter is used outside its with block")
        if volume.shape != self._shape[:3]:
            raise ValueError(f"a volume of shape {volume.shape} in an image {self._shape}")
        if self._written == self._shape[3]:
            raise ValueError(f"more than {self._shape[3]} volumes for {self.path}")
        for plane in _planes(volume):
            self._stream.write(np.ascontiguousarray(self._stored(plane), dtype=self._dtype).data)
        self._written += 1

    def _stored(self, plane: NDArray[Any]) -> NDArray[Any]:
        if self._dtype.kind == "f":
            return plane
        units, limits = np.rint(plane / self._step), np.iinfo(self._dtype)
        inside = np.clip(units, limits.min, limits.max)
        self.clipped += int(np.count_nonzero(units != inside))
        return inside

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Close; move the file into place on success, delete it otherwise."""
        self._stream = None
        if error is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:
            if self._written != self._shape[3]:
                raise ValueError(
                    f"{self._written} of {self._shape[3]} volumes written to {self.path}"
                )
        return None


def write_image(
    path: Path,
    array: NDArray[Any],
    affine: ArrayLike,
    like: ImageMeta | None = None,
    dtype: DTypeLike | None = None,
) -> None:
    """Write a 3D or 4D mask or map, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.
    array : numpy.ndarray
        (x, y, z) or (x, y, z, n). Booleans become uint8, integers keep their type, other numbers
        become float32. Not changed.
    affine : array_like
        (4, 4), voxel indices to world mm; becomes both sform and qform.
    like : ImageMeta, optional
        Source of orientation codes and slice axis.
    dtype : data type, optional
        On disk, instead of the rule above.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if array.ndim not in (3, 4):
        raise ValueError(f"an image of shape {array.shape} is neither 3D nor 4D")
    volumes = np.moveaxis(array, 3, 0) if array.ndim == 4 else [array]
    write_volumes(path, array.shape, volumes, affine, like, dtype or _dtype_on_disk(array.dtype))


def write_volumes(
    path: Path,
    shape: tuple[int, ...],
    volumes: Iterable[NDArray[Any]],
    affine: ArrayLike,
    like: ImageMeta | None = None,
    dtype: DTypeLike = np.float32,
) -> None:
    """Write a map from an iterable of components; see `write_image`.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.
    shape : tuple of int
        (x, y, z) or (x, y, z, n).
    volumes : iterable of numpy.ndarray
        The components, (x, y, z) each.
    affine : array_like
        (4, 4), voxel indices to world mm.
    like : ImageMeta, optional
        Source of orientation codes and slice axis.
    dtype : data type
        On disk.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    on_disk = np.dtype(dtype).newbyteorder("<")
    header = _make_header(shape, affine, like, on_disk)
    header["pixdim"][4] = 1  # the fourth axis of a map is not time
    with ExitStack() as stack:
        stream = _open(stack.enter_context(atomic_path(path)), stack)
        stream.write(header.binaryblock)
        stream.write(bytes(4))
        for volume in volumes:
            for plane in _planes(volume):
                stream.write(np.ascontiguousarray(plane, dtype=on_disk).data)


def _planes(volume: NDArray[Any]) -> Iterator[NDArray[Any]]:
    # x runs fastest on disk; plane by plane, since transposing all at once would double the memory
    yield from volume.T


def _open(temporary: Path, stack: ExitStack) -> IO[bytes]:
    plain = stack.enter_context(temporary.open("wb"))
    if not temporary.name.endswith(".gz"):
        return plain
    # no name and no time stamp inside: the same image gives the same bytes
    zipped: Any = igzip.IGzipFile(
        filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=plain, mtime=0
    )
    stream: IO[bytes] = stack.enter_context(zipped)
    return stream


def _make_header(
    shape: tuple[int, ...],
    affine: ArrayLike,
    like: ImageMeta | None,
    dtype: np.dtype[Any],
) -> Nifti1Header:
    header = Nifti1Header(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    qform_code, sform_code = _orientation_codes(like)
    # The three float32 numbers of a qform cannot distinguish a rotation just short of 180 degrees
    # from 180, so it may be some tenths of a mm off at the edge of the field of view, as in every
    # NIfTI file; the sform is exact.
    header.set_qform(affine, qform_code)
    header.set_sform(affine, sform_code)
    header.set_slope_inter(1, 0)
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = f"bids_sr {read_version()}".encode()
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    if like is not None:
        header.set_dim_info(*like.encoding_axes)
    header["pixdim"][4] = like.repetition_time if like is not None else 0.0
    return header


def _orientation_codes(like: ImageMeta | None) -> tuple[int, int]:
    if like is None:
        return 1, 1
    return like.qform_code or like.sform_code or 1, like.sform_code or like.qform_code or 1


def _dtype_on_disk(dtype: np.dtype[Any]) -> DTypeLike:
    if dtype.kind == "b":
        return np.uint8
    return dtype if dtype.kind in "iu" else np.float32
