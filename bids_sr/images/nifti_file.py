"""An open NIfTI file: header checked at the door, voxels read piece by piece."""

from __future__ import annotations

import itertools
import logging
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from indexed_gzip import IndexedGzipFile
from isal import igzip, isal_zlib
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from bids_sr.errors import InputError

_LOG = logging.getLogger("bids_sr")

_CHUNK = 1 << 20
"""Bytes decompressed at a time when a whole file is checked."""

_READ_AHEAD = 1 << 16
"""Bytes decompressed beyond what is asked for; more would be lost on every jump."""

_COPY_AGAIN = "Copy or convert it again from its source, or exclude this run."

_HEADER_ERRORS = (ImageFileError, HeaderDataError, KeyError, TypeError, IndexError)

_READ_ERRORS = (
    OSError,  # also gzip.BadGzipFile, indexed_gzip's ZranError, nibabel's short reads
    EOFError,
    ValueError,
    OverflowError,
    MemoryError,
    zlib.error,
    cast("type[Exception]", isal_zlib.error),
)


class NiftiFile:
    """One open NIfTI-1 or NIfTI-2 file; every failure becomes an `InputError`.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._trusted = False
        _refuse_missing(path)
        with self._failures():
            image: Any = nib.load(path)
            if type(image) not in (nib.Nifti1Image, nib.Nifti2Image):
                raise ImageFileError(f"it is {type(image).__name__}")
            self.header: Nifti1Header = image.header
            self.shape = _without_trailing_ones(image.shape)
            self._refuse_content()
            self.affine = self._checked_affine(image)
            self._stream, self._proxy = self._open(image)

    def read(self, cut: tuple[Any, ...]) -> NDArray[np.float32]:
        """Return a part of the array as scaled float32, the caller's own."""
        with self._lock, self._failures():
            if not self._trusted:
                self._check_length()
                self._trusted = True
            return np.array(self._proxy[cut], dtype=np.float32)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._stream.close()

    def check_bytes(self) -> None:
        """Decompress the whole file, checksum included, and count the bytes."""
        found = 0
        with self._failures():
            opened: Any = igzip.open(self._path) if self._zipped else self._path.open("rb")
            with opened as stream:
                while chunk := stream.read(_CHUNK):
                    found += len(chunk)
        if found < self._expected_bytes:
            raise InputError(
                f"is truncated: it holds {found} of {self._expected_bytes} bytes.",
                file=self._path,
                remedy=_COPY_AGAIN,
            )

    @property
    def _zipped(self) -> bool:
        return self._path.name.lower().endswith(".gz")

    @property
    def _expected_bytes(self) -> int:
        voxels = int(np.prod(self.shape, dtype=object))
        size: int = self.header.get_data_dtype().itemsize
        return int(self._proxy.offset) + voxels * size

    def _check_length(self) -> None:
        # A gzip file ends with the number of bytes it holds. When that is what
        # the header asks for the end was not cut off, and indexed_gzip verifies
        # the checksum as the data stream by; but it takes a cut for an ordinary
        # end. So if the number differs (a cut, several gzip members, padding)
        # the whole file is gone through once.
        if self._zipped:
            with self._path.open("rb") as stream:
                stream.seek(-4, 2)
                held = int.from_bytes(stream.read(4), "little")
            if held == self._expected_bytes % 2**32:
                return
            self.check_bytes()
        elif self._path.stat().st_size < self._expected_bytes:
            self.check_bytes()

    def _open(self, image: Any) -> tuple[IO[bytes], ArrayProxy]:
        proxy: ArrayProxy = image.dataobj
        stream: IO[bytes] = (
            IndexedGzipFile(str(self._path), drop_handles=False, buffer_size=_READ_AHEAD)
            if self._zipped
            else self._path.open("rb")
        )
        spec = (self.shape, proxy.dtype, proxy.offset, proxy.slope, proxy.inter)
        return stream, ArrayProxy(stream, spec, mmap=False)

    def _refuse_content(self) -> None:
        dtype = self.header.get_data_dtype()
        if dtype.fields or dtype.kind not in "iuf":
            kind = "colours" if dtype.fields else "complex numbers"
            raise InputError(
                f"holds {kind} where one real number per voxel is wanted.",
                file=self._path,
                remedy="Use the scanner's magnitude series, not a derived map.",
            )
        if min(self.shape, default=0) < 1:
            raise InputError(
                f"is empty: its shape is {self.shape}.", file=self._path, remedy=_COPY_AGAIN
            )

    def _checked_affine(self, image: Any) -> NDArray[np.float64]:
        affine = np.asarray(image.affine, dtype=np.float64)
        if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
            raise InputError(
                "has an affine that cannot be inverted, so its voxels have no place.",
                file=self._path,
                remedy="Convert it again from DICOM.",
            )
        _warn_of_orientation(self._path, self.header)
        return affine

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except _HEADER_ERRORS as error:
            raise InputError(
                f"is not a NIfTI image that can be read ({_one_line(error, self._path)}).",
                file=self._path,
                remedy=_COPY_AGAIN,
            ) from error
        except _READ_ERRORS as error:
            reason = "its data end or break off where they should not"
            if isinstance(error, OSError) and error.strerror:
                reason = error.strerror
            raise InputError(
                f"cannot be read, truncated or damaged: {reason}.",
                file=self._path,
                remedy=_COPY_AGAIN,
            ) from error


def _one_line(error: Exception, path: Path) -> str:
    text = " ".join(str(error).replace(str(path), "the file").split()).rstrip(".")
    return text or type(error).__name__


def _refuse_missing(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            "is not a file." if path.exists() else "does not exist.",
            file=path,
            remedy="Check the dataset; with DataLad or git-annex, get the file first.",
        )
    if not path.stat().st_size:
        raise InputError("is empty (0 bytes).", file=path, remedy=_COPY_AGAIN)


def _without_trailing_ones(shape: Sequence[int]) -> tuple[int, ...]:
    short = tuple(int(n) for n in shape)
    while len(short) > 4 and short[-1] == 1:
        short = short[:-1]
    return short


def _warn_of_orientation(path: Path, header: Nifti1Header) -> None:
    sform, qform = header.get_sform(coded=True)[0], _qform(header)
    if sform is None and qform is None:
        _LOG.warning(
            "%s: neither qform nor sform is set, left and right may be swapped: check it.", path
        )
    elif sform is not None and qform is not None:
        apart = _furthest_apart(sform, qform, header.get_data_shape()[:3])
        if apart > 0.5 * min(header.get_zooms()[:3]):
            _LOG.warning(
                "%s: qform and sform lie up to %.1f mm apart; the sform is used.", path, apart
            )


def _qform(header: Nifti1Header) -> NDArray[np.float64] | None:
    try:
        qform: NDArray[np.float64] | None = header.get_qform(coded=True)[0]
    except HeaderDataError:
        # a broken quaternion only matters where it is the one orientation
        # there is, and then nibabel has already refused the image
        return None
    return qform


def _furthest_apart(
    one: NDArray[np.float64], other: NDArray[np.float64], shape: Sequence[int]
) -> float:
    corners = np.array([[*c, 1] for c in itertools.product(*((0, n - 1) for n in shape))])
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())
