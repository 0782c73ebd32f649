"""Gradient tables whose directions are not unit vectors, and what their lengths mean.

A gradient of half the amplitude gives a quarter of the b-value. Scanners (Siemens' free mode
and DSI tables, Philips' with user-defined directions) therefore encode several shells by one
nominal b-value and vectors of different lengths, and some converters keep both as they are. MRtrix3
multiplies all b-values by the squared lengths as soon as one of these is off by 1 %. Here that is
done only where lengths distinguish volumes of one b-value, since the lengths in rounded, rotated or
resampled tables have no meaning.

References
----------
MRtrix3, option ``-bvalue_scaling``, ``core/dwi/gradient.cpp``
(https://mrtrix.readthedocs.io/en/latest/concepts/dw_scheme.html).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.errors import InputError

Floats = NDArray[np.float64]

TOLERANCE = 0.1
"""Lengths within this of one are rounding; components with one decimal are off by up to 0.09."""
_SILENT = 0.01
"""Tolerance of the squared length before a warning, as in MRtrix3 (logarithm)."""
_SAME = 0.05
"""b-values that differ by less than this fraction are one nominal value."""
_EXACT = 4 * np.finfo(np.float64).eps


def apply_lengths(
    bvals: Floats, bvecs: Floats, threshold: float, path: Path
) -> tuple[Floats, tuple[str, ...]]:
    """Multiply b-values by the squared lengths of directions, if the lengths encode shells.

    ============================================  ==============================
    lengths at b > 0                              b-values
    ============================================  ==============================
    all within 10 % of one                        kept; warning if 0.5 % off or more
    differ, and b grows with their square         kept, warning
    differ at one nominal b                       multiplied, warning; no direction is b = 0
    otherwise, or one vector alone is off         refused
    ============================================  ==============================

    Parameters
    ----------
    bvals : numpy.ndarray
        (V,), s/mm2.
    bvecs : numpy.ndarray
        (V, 3), as in the file; NaN or zero where there is no direction.
    threshold : float
        b-values up to this one count as b = 0.
    path : pathlib.Path
        File of the directions, for the error.

    Returns
    -------
    bvals : numpy.ndarray
        (V,), s/mm2, a new array if they were changed.
    warnings : tuple of str
        Full sentences.

    Raises
    ------
    InputError
        If lengths are far from one and their meaning is unclear.
    """
    lengths = np.nan_to_num(np.linalg.norm(bvecs, axis=1), nan=0.0, posinf=0.0)
    used = np.flatnonzero((bvals > threshold) & (lengths > 0))
    own, nominal = lengths[used], bvals[used]
    if not used.size:
        return bvals, ()
    off = np.abs(own - 1) >= TOLERANCE
    if not off.any():
        return bvals, _inexact(own)
    if np.ptp(own) > TOLERANCE and _constant(nominal / own**2):
        return bvals, (
            f"The directions have lengths of {_range(own)}, and the b-values grow with their"
            " squares: b-values are kept, directions are normalized.",
        )
    if _tells_apart(nominal, own) and np.count_nonzero(off) > 1:
        return _scaled(bvals, lengths, threshold)
    first = used[np.argmax(off)]
    raise InputError(
        f"the direction of volume {first} has length {lengths[first]:.3f}, not 1.",
        file=path,
        remedy="Scale the directions to unit length and write b-values accordingly.",
    )


def is_nearly_unit(bvecs: Floats) -> NDArray[np.bool_]:
    """Return which directions, (V, 3), have a length within 10 % of one, (V,)."""
    return np.asarray(np.abs(np.linalg.norm(bvecs, axis=1) - 1) < TOLERANCE)


def unit_vectors(bvecs: Floats, which: NDArray[np.bool_] | None = None) -> Floats:
    """Return directions with length one, or zero where there is none.

    Those whose length is one to within float64 precision are kept bit for bit, so that a table
    survives writing and reading unchanged.

    Parameters
    ----------
    bvecs : numpy.ndarray
        (V, 3); NaN or zero where there is no direction. Not changed.
    which : numpy.ndarray, optional
        (V,), bool: volumes whose directions are normalized; default: all.

    Returns
    -------
    numpy.ndarray
        (V, 3), finite.
    """
    lengths = np.linalg.norm(bvecs, axis=1)
    known = np.isfinite(lengths) & (lengths > 0)
    units = np.where(known[:, None], bvecs, 0.0)
    inexact = known & (np.abs(lengths - 1) > _EXACT)
    if which is not None:
        inexact &= which
    units[inexact] /= lengths[inexact, None]
    return units


def _inexact(lengths: Floats) -> tuple[str, ...]:
    if np.max(np.abs(2 * np.log(lengths))) <= _SILENT:
        return ()
    return (
        f"The directions have lengths of {_range(lengths)}; they are normalized, and the"
        " b-values are kept (MRtrix3 would multiply them by the squared lengths).",
    )


def _scaled(bvals: Floats, lengths: Floats, threshold: float) -> tuple[Floats, tuple[str, ...]]:
    weighted = bvals > threshold
    # below a billionth of a b-value there is only float64 rounding
    scaled = np.where(weighted, np.round(bvals * lengths**2, 4), bvals)
    shown, known = _range(bvals[weighted]), weighted & (lengths > 0)
    said = (
        f"The directions have lengths of {_range(lengths[known])}: the b-values were multiplied by"
        f" their squares ({shown} became {_range(scaled[known])}), the directions normalized."
    )
    without = int(np.count_nonzero(weighted & (lengths == 0)))
    if without:
        said += f" {without} volumes of b = {shown} have no direction and count as b = 0."
    return scaled, (said,)


def _tells_apart(bvals: Floats, lengths: Floats) -> bool:
    """Return whether directions of nearly one b-value have lengths that differ."""
    return any(
        bool(np.ptp(lengths[np.abs(bvals - value) <= _SAME * value]) > TOLERANCE)
        for value in np.unique(bvals)
    )


def _constant(values: Floats) -> bool:
    return bool(np.max(np.abs(values / np.median(values) - 1)) < _SAME)


def _range(values: Floats) -> str:
    low, high = (f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in _ends(values))
    return low if low == high else f"{low} to {high}"


def _ends(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())
