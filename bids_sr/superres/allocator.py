"""Reuse of freed memory between the layers of a network."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's options (malloc.h)."""
_KEPT = 1 << 28
"""Size, bytes, below which blocks reuse freed memory: covers those of all layers."""
_USUAL_MMAP, _USUAL_TRIM = 1 << 25, 1 << 26
"""Values to which glibc itself raises its thresholds in a program that frees large blocks."""


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory for the next layer within a ``with`` block.

    glibc returns every block above 32 MB to the system at once. The next allocation faults it
    in again page by page, zeroed, which slows down a network on a CPU. Without glibc this does
    nothing.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _KEPT)
    library.mallopt(_TRIM_THRESHOLD, 2 * _KEPT)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _USUAL_MMAP)
        library.mallopt(_TRIM_THRESHOLD, _USUAL_TRIM)
        give_back_memory()


def give_back_memory() -> None:
    """Return freed memory to the system, which glibc does not do on its own.

    Otherwise an idle worker would keep it.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # no shared libraries, or Windows
        return None
    has_all = hasattr(library, "mallopt") and hasattr(library, "malloc_trim")
    return library if has_all else None
