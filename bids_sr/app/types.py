"""Types of command-line arguments: from text to value, or an error."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

_AXES = {"i": 0, "j": 1, "k": 2, "0": 0, "1": 1, "2": 2}
_LEAST_MEMORY_MB = 1000
_LEAST_SIDE = 8
_MEGABYTES = {"K": 1e-3, "M": 1.0, "G": 1e3, "T": 1e6}


def label(prefix: str) -> Callable[[str], str]:
    """Return a type for BIDS labels, with or without their prefix (``sub-``, ``ses-``)."""

    def label(value: str) -> str:
        bare = value.removeprefix(prefix)
        if not re.fullmatch(r"[0-9A-Za-z+]+", bare):
            raise argparse.ArgumentTypeError(f"'{value}' is not a label: letters and digits only")
        return bare

    return label


def derivative(value: str) -> tuple[str, Path]:
    """Return name and folder of ``NAME=PATH``; the name of a bare path is its last folder."""
    name, equals, path = value.partition("=")
    if not equals:
        name, path = Path(value).resolve().name, value
    if not (name and path):
        raise argparse.ArgumentTypeError(f"'{value}' is not NAME=PATH")
    return name, Path(path)


def slice_axis(value: str) -> int:
    """Return the index of a voxel axis."""
    if value not in _AXES:
        raise argparse.ArgumentTypeError(f"'{value}' is not one of i, j, k, 0, 1, 2")
    return _AXES[value]


def matrix(value: str) -> str:
    """Return two sides in pixels, ``110x110``."""
    found = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", value.strip())
    if not found or min(int(side) for side in found.groups()) < _LEAST_SIDE:
        raise argparse.ArgumentTypeError(
            f"'{value}' is not two sides of at least {_LEAST_SIDE} pixels: write 110x110"
        )
    return f"{int(found[1])}x{int(found[2])}"


def sides(value: str | None) -> tuple[int, int] | None:
    """Return the sides of a `matrix`, if there is one."""
    if value is None:
        return None
    first, second = map(int, value.split("x"))
    return first, second


def memory(value: str) -> float:
    """Return a size in megabytes; the number may have a suffix K, M, G or T."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", value.strip().upper())
    size = float(found[1]) * _MEGABYTES[found[2] or "M"] if found else 0.0
    if size <= 0:
        raise argparse.ArgumentTypeError(f"'{value}' is not a size: write 8000, 8000M or 8G")
    if size < _LEAST_MEMORY_MB:
        raise argparse.ArgumentTypeError(
            f"'{value}' is {size:g} MB, but a step needs at least 1 GB: write 8000, 8000M or 8G"
        )
    return size
