"""An open NIfTI file: header checked at the door, voxels read piece by piece."""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from gzip import BadGzipFile
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from indexed_gzip import IndexedGzipFile
from isal import igzip, isal_zlib
from nibabel.affines import voxel_sizes
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from bids_sr.bids.file_kind import IMAGE, refuse_foreign
from bids_sr.bids.file_size import refuse_impossible_size
from bids_sr.bids.voxel_offset import refuse_offset_in_header
from bids_sr.errors import InputError
from bids_sr.images.orientation import (
    length_problem,
    length_warnings,
    orientation_warnings,
    repair_warnings,
)

_CHUNK = 1 << 20
"""Bytes decompressed at a time when a whole file is checked."""

_PADDING = 1024
"""Bytes behind the last voxel that may be there to fill a block."""

_LONGEST_HEADER = 540
"""Bytes of a NIfTI-2 header; that of NIfTI-1 has 348."""

_RESTARTS = 8
"""So often reading begins anew where an earlier volume is asked for; then it pays to index."""

_READ_AHEAD = 1 << 16
"""Bytes decompressed beyond what is asked for; more would be lost on every jump."""

_MIN_SPACING = 1 << 18
"""Uncompressed bytes between two index points of a gzip file, at least."""

_COPY_AGAIN = "Copy or convert it again from its source, or exclude this run."

_HEADER_ERRORS = (ImageFileError, HeaderDataError, KeyError, TypeError, IndexError)

_READ_ERRORS = (
    OSError,  # also gzip.BadGzipFile, indexed_gzip's ZranError, nibabel's short reads
    EOFError,
    ValueError,
    OverflowError,
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
        self._verified = False
        self._next = self._restarts = 0
        self._forward: Any = None
        self._random: ArrayProxy | None = None
        self._closing = ExitStack()
        if path.is_file() and not path.stat().st_size:
            raise InputError("is empty (0 bytes).", file=path, remedy=_COPY_AGAIN)
        refuse_foreign(path, IMAGE)
        with self._failures():
            raw, image = self._without_voxels()
            self.header: Nifti1Header = image.header
            self.shape = _without_trailing_ones(image.shape)
            proxy: ArrayProxy = image.dataobj
            self._refuse_content()
            self.affine = self._checked_affine(image)
        self._layout = (self.shape, proxy.dtype, proxy.offset, proxy.slope, proxy.inter)
        with self._failures():
            refuse_impossible_size(path, self._expected_bytes)
            refuse_offset_in_header(path, self.header, self._layout[2])
            self.warnings = (
                *repair_warnings(raw, self.header),
                *orientation_warnings(self.header),
                *length_warnings(self.header),
                *self._layout_doubts(raw),
            )

    def volume(self, index: int) -> NDArray[np.float32]:
        """Return a 3D volume of a 3D or 4D image as scaled float32, the caller's own.

        Volumes asked for in ascending order come from one fast pass through the file.
        """
        with self._lock, self._failures():
            if index < self._next and self._restarts < _RESTARTS:
                self._rewind()
                self._restarts += 1
            if self._zipped and self._lies_ahead(index):
                data = self._volume_ahead(index)
            else:
                data = self._volume_anywhere(index)
            return _float32(data, self._path)

    def close(self) -> None:
        """Close the file; reading again would open it anew."""
        with self._lock:
            self._closing.close()
            self._forward, self._random, self._next = None, None, 0

    def check_bytes(self) -> None:
        """Go through the whole file, checksum included, and count the bytes."""
        found = 0
        with self._failures():
            if self._zipped:
                with igzip.open(self._path) as stream:
                    while chunk := stream.read(_CHUNK):
                        found += len(chunk)
            else:
                found = self._path.stat().st_size
        if found < self._expected_bytes:
            raise InputError(
                f"is truncated: it holds {found} of {self._expected_bytes} bytes.",
                file=self._path,
                remedy=_COPY_AGAIN,
            )
        self._verified = True

    @property
    def _zipped(self) -> bool:
        return self._path.name.lower().endswith(".gz")

    @property
    def _expected_bytes(self) -> int:
        shape, dtype, offset, _, _ = self._layout
        return int(offset) + math.prod(shape) * int(dtype.itemsize)

    def _without_voxels(self) -> tuple[Nifti1Header, Any]:
        # not nibabel.load: it opens by name, where a cut goes unnoticed
        with igzip.open(self._path) if self._zipped else self._path.open("rb") as stream:
            start = stream.read(_LONGEST_HEADER)
            stream.seek(0)
            for kind in (nib.Nifti1Image, nib.Nifti2Image):
                header = kind.header_class
                if header.may_contain_header(start):
                    # as it stands, for nibabel puts right what it can without a word
                    raw = header(start[: header.sizeof_hdr], check=False)
                    return raw, kind.from_stream(stream)
        raise ImageFileError("it has no NIfTI header")

    def _lies_ahead(self, index: int) -> bool:
        # to jump there, all before it would have to be decompressed, too, to index it
        return index == self._next or (index > self._next and self._random is None)

    def _rewind(self) -> None:
        if self._forward is not None:
            self._forward.close()
        self._forward, self._next = None, 0

    def _volume_ahead(self, index: int) -> NDArray[Any]:
        shape, dtype, offset, slope, inter = self._layout
        if self._forward is None:
            if not (self._verified or self._length_fits()):
                self.check_bytes()
            self._forward = self._closing.enter_context(igzip.open(self._path))
            self._forward.read(offset)
        size = math.prod(shape[:3]) * dtype.itemsize
        while self._next < index:
            self._read_ahead(size)
            self._next += 1
        raw = self._read_ahead(size)
        self._next += 1
        if self._next == math.prod(shape[3:]):
            while self._forward.read(_CHUNK):  # the checksum comes at the very end
                pass
            self._verified = True
            self._rewind()
        data = raw.view(dtype).reshape(shape[:3], order="F")
        scaled: NDArray[Any] = apply_read_scaling(data, slope, inter)
        return scaled

    def _read_ahead(self, size: int) -> NDArray[np.uint8]:
        # piece by piece into its place: whole, it would be in memory twice
        raw, filled = np.empty(size, np.uint8), 0
        while filled < size:
            chunk = self._forward.read(min(_CHUNK, size - filled))
            if not chunk:
                raise EOFError("volume is short")
            raw[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
            filled += len(chunk)
        return raw

    def _volume_anywhere(self, index: int) -> NDArray[Any]:
        # indexed_gzip takes a file that breaks off for one that ends there
        # (version 1.10), so that all is there must be made sure of beforehand
        if not self._verified:
            self.check_bytes()
        if self._random is None:
            stream = self._indexed() if self._zipped else self._path.open("rb")
            self._random = ArrayProxy(self._closing.enter_context(stream), self._layout, mmap=False)
        data: NDArray[Any] = self._random[(..., index) if len(self.shape) == 4 else (...,)]
        return data

    def _indexed(self) -> IndexedGzipFile:
        # A jump decompresses from the index point before it, at most a volume away; each
        # point keeps 32 KiB in memory.
        shape, dtype, *_ = self._layout
        spacing = math.prod(shape[:3]) * int(dtype.itemsize)
        return IndexedGzipFile(
            str(self._path),
            drop_handles=False,
            spacing=max(spacing, _MIN_SPACING),
            buffer_size=_READ_AHEAD,
        )

    def _length_fits(self) -> bool:
        # A gzip file ends with the number of bytes it holds. If that is what the
        # header asks for, the end has not been cut off; if not, it may have been,
        # or there are several gzip members, or padding.
        return self._told_length() == self._expected_bytes % 2**32

    def _told_length(self) -> int:
        """Return how many bytes the file holds; of a gzip file, modulo 2**32, its last member."""
        if not self._zipped:
            return self._path.stat().st_size
        with self._path.open("rb") as stream:
            stream.seek(-4, 2)
            return int.from_bytes(stream.read(4), "little")

    def _layout_doubts(self, raw: Nifti1Header) -> tuple[str, ...]:
        """Say if the header leaves bytes over, or gives a scaling that is no number."""
        said = []
        over = self._told_length() - self._expected_bytes
        # where it is wrong, a matrix or a data type in the header is often too small
        if over > _PADDING:
            said.append(
                f"Behind its last voxel the file holds {over} more bytes, which are left out: check"
                " matrix and data type in its header."
            )
        slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
        if not math.isfinite(slope) and inter:
            said.append(
                f"The header's scl_slope is {slope:g}, scl_inter {inter:g}: voxels are not scaled."
            )
        return tuple(said)

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
        problem = length_problem(self.header, voxel_sizes(affine))
        if problem:
            raise InputError(
                problem, file=self._path, remedy="Convert it again from DICOM, with lengths in mm."
            )
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
            raise InputError(
                f"cannot be read{_why(error, self._path)}.",
                file=self._path,
                remedy=_COPY_AGAIN,
            ) from error


def _why(error: Exception, path: Path) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f": {error.strerror}"
    if isinstance(error, BadGzipFile):  # no gzip at all, or a wrong checksum
        return f", truncated or damaged: {_one_line(error, path)}"
    return ", truncated or damaged: its data end or break off where they should not"


def _float32(data: NDArray[Any], path: Path) -> NDArray[np.float32]:
    if data.dtype == np.float32 and data.flags.writeable:
        return data  # nobody else has it
    with np.errstate(over="ignore"):
        short = np.array(data, dtype=np.float32)
    # what is too large becomes infinite, and would pass for a voxel without a value
    if data.dtype.itemsize > 4 and np.any(np.isinf(short) & np.isfinite(data)):
        raise InputError(
            "holds values beyond the range of float32 (3.4e38).",
            file=path,
            remedy="Convert it again, or scale it down.",
        )
    return short


def _one_line(error: Exception, path: Path) -> str:
    text = " ".join(str(error).replace(str(path), "the file").split()).rstrip(".")
    return text or type(error).__name__


def _without_trailing_ones(shape: Sequence[int]) -> tuple[int, ...]:
    short = tuple(int(n) for n in shape)
    while len(short) > 4 and short[-1] == 1:
        short = short[:-1]
    return short
