"""An open NIfTI file, read in pieces."""

from __future__ import annotations

import math
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from indexed_gzip import IndexedGzipFile
from isal import igzip
from nibabel.arrayproxy import ArrayProxy
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from bids_sr.errors import InputError
from bids_sr.images.header import COPY_AGAIN, is_zipped, read_header, reading_errors, told_length

_CHUNK = 1 << 20
"""Bytes decompressed at a time when a whole file is checked."""

_RESTARTS = 8
"""Number of restarts for an earlier volume after which the file is indexed."""

_READ_AHEAD = 1 << 16
"""Bytes decompressed ahead; more would be wasted on every jump."""

_MIN_SPACING = 1 << 18
"""Minimum of uncompressed bytes between two index points of a gzip file."""


class NiftiFile:
    """One open NIfTI-1 or NIfTI-2 file; every failure becomes an `InputError`.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.
    """

    def __init__(self, path: Path) -> None:
        self.meta = read_header(path)
        """Its header."""
        self._path = path
        self._lock = threading.Lock()
        self._verified = False
        self._next = self._restarts = 0
        self._forward: Any = None
        self._random: ArrayProxy | None = None
        self._closing = ExitStack()

    def volume(self, index: int) -> NDArray[np.float32]:
        """Return a 3D volume of a 3D or 4D image as scaled float32, owned by the caller.

        Volumes requested in ascending order come from one fast pass through the file.
        """
        with self._lock, reading_errors(self._path):
            if index < self._next and self._restarts < _RESTARTS:
                self._rewind()
                self._restarts += 1
            if is_zipped(self._path) and self._lies_ahead(index):
                data = self._volume_ahead(index)
            else:
                data = self._volume_anywhere(index)
            return _float32(data, self._path)

    def close(self) -> None:
        """Close the file; it is reopened if read again."""
        with self._lock:
            self._closing.close()
            self._forward, self._random, self._next = None, None, 0

    def check_bytes(self) -> None:
        """Read the whole file, including the checksum, and count the bytes."""
        found = 0
        with reading_errors(self._path):
            if is_zipped(self._path):
                with igzip.open(self._path) as stream:
                    while chunk := stream.read(_CHUNK):
                        found += len(chunk)
            else:
                found = self._path.stat().st_size
        if found < self.meta.promised_bytes:
            raise InputError(
                f"is truncated: it holds {found} of {self.meta.promised_bytes} bytes.",
                file=self._path,
                remedy=COPY_AGAIN,
            )
        self._verified = True

    def _lies_ahead(self, index: int) -> bool:
        # to jump there, everything before it would have to be decompressed for the index
        return index == self._next or (index > self._next and self._random is None)

    def _rewind(self) -> None:
        if self._forward is not None:
            self._forward.close()
        self._forward, self._next = None, 0

    def _volume_ahead(self, index: int) -> NDArray[Any]:
        meta, size = self.meta, self.meta.volume_bytes
        if self._forward is None:
            if not (self._verified or self._length_fits()):
                self.check_bytes()
            self._forward = self._closing.enter_context(igzip.open(self._path))
            self._forward.read(meta.offset)
        while self._next < index:
            self._read_ahead(size)
            self._next += 1
        raw = self._read_ahead(size)
        self._next += 1
        if self._next == math.prod(meta.shape[3:]):
            while self._forward.read(_CHUNK):  # the checksum comes at the very end
                pass
            self._verified = True
            self._rewind()
        data = raw.view(meta.dtype).reshape(meta.shape[:3], order="F")
        scaled: NDArray[Any] = apply_read_scaling(data, meta.slope, meta.intercept)
        return scaled

    def _read_ahead(self, size: int) -> NDArray[np.uint8]:
        # in pieces: otherwise it would be in memory twice
        raw, filled = np.empty(size, np.uint8), 0
        while filled < size:
            chunk = self._forward.read(min(_CHUNK, size - filled))
            if not chunk:
                raise EOFError("volume is short")
            raw[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
            filled += len(chunk)
        return raw

    def _volume_anywhere(self, index: int) -> NDArray[Any]:
        # indexed_gzip (version 1.10) does not notice a truncated file, so its length must be
        # checked beforehand
        if not self._verified:
            self.check_bytes()
        if self._random is None:
            stream = self._indexed() if is_zipped(self._path) else self._path.open("rb")
            meta = self.meta
            layout = (meta.shape, meta.dtype, meta.offset, meta.slope, meta.intercept)
            self._random = ArrayProxy(self._closing.enter_context(stream), layout, mmap=False)
        data: NDArray[Any] = self._random[(..., index) if len(self.meta.shape) == 4 else (...,)]
        return data

    def _indexed(self) -> IndexedGzipFile:
        # A jump decompresses from the index point before it, at most a volume away; each
        # point keeps 32 KiB in memory.
        return IndexedGzipFile(
            str(self._path),
            drop_handles=False,
            spacing=max(self.meta.volume_bytes, _MIN_SPACING),
            buffer_size=_READ_AHEAD,
        )

    def _length_fits(self) -> bool:
        # A gzip file ends with its uncompressed length. If that is what the header promises, the
        # file is not truncated; if not, it may be, or it has several gzip members, or padding.
        return told_length(self._path) == self.meta.promised_bytes % 2**32


def _float32(data: NDArray[Any], path: Path) -> NDArray[np.float32]:
    if data.dtype == np.float32 and data.flags.writeable:
        return data  # not shared
    with np.errstate(over="ignore"):
        short = np.array(data, dtype=np.float32)
    # overflow becomes infinite, and would be taken for a missing value
    if data.dtype.itemsize > 4 and np.any(np.isinf(short) & np.isfinite(data)):
        raise InputError(
            "holds values beyond the range of float32 (3.4e38).",
            file=path,
            remedy="Convert it again, or scale it down.",
        )
    return short
