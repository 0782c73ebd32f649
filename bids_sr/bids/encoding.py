"""Whether each volume of a series was encoded along one direction, as the tensor model assumes.

With b-tensor encoding a volume is weighted in a plane or equally in all directions (planar and
spherical encoding, PTE and STE; linear is LTE). BIDS has no field for it yet. In use are: a sidecar
field such as ``BDelta`` or ``BTensorShape``, a file beside the image (``*_dwi.bdelta``,
``*_dwi.btens``), dipy's names of shapes, or just a word in the file name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from bids_sr.errors import InputError

_FIELD = re.compile(r"btens|bdelta|bshape|encodingshape|tensorencoding|^diffusionencoding$")
"""Sidecar fields, in lower case."""
_SHAPE = re.compile(r"delta|shape")
"""Those whose numbers give the shape (b_delta: 1 linear, 0 spherical, -0.5 planar)."""
_FILES = (".bdelta", ".bshape", ".bten", ".btens", ".btensor")
_OTHERWISE = re.compile(
    r"(?<![a-z])(ste|pte|cte)(?![a-z])|spheric|planar|isotrop|oblate|prolate|ellips", re.IGNORECASE
)
_LINEAR = re.compile(r"(?<![a-z])(lte|linear\w*|none|n/?a|b0)(?![a-z])", re.IGNORECASE)
_HINT = re.compile(
    r"(?<![A-Za-z])((STE|PTE)(?![A-Z])|(ste|pte)(?![A-Za-z]))|(?i:spherical|b-?tensor)"
)
_ENDS = (".txt", ".tsv", ".btens", ".bdelta", "")
_TOLERANCE = 0.1
"""Tolerance of a shape: imaging gradients change an encoding slightly."""


@frozen
class Encoding:
    """What is known of the encoding of a series."""

    not_linear: str = ""
    """Evidence that it is not linear, a clause; empty if there is none."""
    warnings: tuple[str, ...] = ()
    """Hints that it may not be, as full sentences."""


def find_encoding(
    image: Path, sidecar: Mapping[str, Any], entities: Mapping[str, str], weighted: np.ndarray
) -> Encoding:
    """Look for b-tensor encoding in the sidecar, in files next to the image and in its name.

    Parameters
    ----------
    image : pathlib.Path
        The series.
    sidecar : mapping
        Its metadata.
    entities : mapping of str to str
        Of its name; ``acq`` and ``desc`` only give hints.
    weighted : numpy.ndarray
        (V,), bool: volumes of b > 0, whose shape counts.

    Returns
    -------
    Encoding
    """
    told = False
    for key, value in sidecar.items():
        name = re.sub(r"[^a-z]", "", key.lower())
        if _FIELD.search(name):
            told = True
            found = _otherwise(list(_leaves(value)), bool(_SHAPE.search(name)), weighted)
            if found:
                return Encoding(f"the sidecar says {key}: {found}")
    for path in _beside(image):
        told = True
        found = _in_file(path, weighted)
        if found:
            return Encoding(f"{path.name} says {found}")
    return Encoding() if told else Encoding(warnings=_hints(sidecar, entities))


def _otherwise(values: list[Any], is_shape: bool, weighted: np.ndarray) -> str:
    """Describe the values that are not linear; empty if there are none."""
    texts = [value for value in values if isinstance(value, str)]
    for text in texts:
        if _OTHERWISE.search(text):
            return _shortened(text)
    if any(value is True for value in values):
        return "true"
    numbers = np.array([v for v in values if isinstance(v, int | float) and v is not False], float)
    if not numbers.size:
        return ""
    if is_shape:
        return _odd_shape(numbers, weighted)
    return "" if _along_one_direction(numbers) else "tensors of more than one direction"


def _odd_shape(shapes: np.ndarray, weighted: np.ndarray) -> str:
    if shapes.size == weighted.size:
        shapes = shapes[weighted]
    odd = shapes[np.isfinite(shapes) & (np.abs(shapes - 1) > _TOLERANCE)]
    return f"{odd[0]:g}" if odd.size else ""


def _along_one_direction(numbers: np.ndarray) -> bool:
    """Return whether tensors, of nine or six elements each, have rank one."""
    if numbers.size % 9 == 0:
        elements = numbers.reshape(-1, 9)
        weights, diagonal = np.ones(9), [0, 4, 8]
    elif numbers.size % 6 == 0:
        elements = numbers.reshape(-1, 6)  # xx yy zz, then the others, plain or times sqrt 2
        weights, diagonal = np.array([1.0] * 3 + [2.0] * 3), [0, 1, 2]
    else:
        return False
    trace = elements[:, diagonal].sum(axis=1)
    strong = trace > 0.05 * max(float(trace.max()), math.ulp(0.0))
    squares = [(elements**2 @ w)[strong] for w in (weights, np.ones(len(weights)))]
    # at rank one, the sum of squares is the square of the trace
    return any(np.all(np.abs(each / trace[strong] ** 2 - 1) < _TOLERANCE) for each in squares)


def _in_file(path: Path, weighted: np.ndarray) -> str:
    from bids_sr.bids.gradient_files import read_rows

    shape = bool(_SHAPE.search(path.name.lower()))
    try:
        return _otherwise([v for row in read_rows(path) for v in row], shape, weighted)
    except InputError:
        pass
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return "what cannot be read"
    found = _OTHERWISE.search(text)
    if found:
        return _shortened(found.group())
    return "" if _LINEAR.search(text) else "what is not understood"


def _beside(image: Path) -> Iterator[Path]:
    stem = re.sub(r"\.nii(\.gz)?$", "", image.name, flags=re.IGNORECASE)
    label = stem.removesuffix("_dwi")
    names = [f"{stem}{extension}" for extension in _FILES]
    names += [
        f"{s}_{kind}{e}" for s in (stem, label) for kind in ("btens", "bdelta") for e in _ENDS
    ]
    for name in names:
        path = image.with_name(name)
        if path.is_file():
            yield path


def _hints(sidecar: Mapping[str, Any], entities: Mapping[str, str]) -> tuple[str, ...]:
    said = [f"{key}-{entities[key]}" for key in ("acq", "desc") if key in entities]
    fields = (sidecar.get(key) for key in ("SeriesDescription", "ProtocolName"))
    said += [text for text in fields if isinstance(text, str)]
    for text in said:
        if _HINT.search(re.sub(r"_", " ", text)):
            return (
                f"'{_shortened(text)}' suggests spherical or planar encoding, but nothing else"
                " confirms it: if it is, maps are wrong, since each volume is taken as encoded"
                ' along one direction. Add "BDelta" to the sidecar.',
            )
    return ()


def _leaves(value: Any) -> Iterator[Any]:
    parts: Iterable[Any] = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    else:
        yield value
    for part in parts:
        yield from _leaves(part)


def _shortened(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 40 else plain[:37] + "..."
