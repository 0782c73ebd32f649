"""The curves and maps of a run that the report draws: all that is not a single number.

One JSON object; any part may be missing.

=================  ======================================================================
``dc_map``         ``values``: a row for each volume, in it a number for each slice: root
                   mean square of the residual D(SR) - LR in the brain, in ``unit`` (%) of
                   the shell's input in that slice; null without brain
``spectra``        ``frequency`` (cycles/mm); ``interpolated``, ``super-resolved``: log10 of
                   the power, averaged over directions, of weighted volumes;
                   ``acquired_limit`` (cycles/mm)
``axis_spectra``   by letter of the in-plane axis, of the input: ``frequency``, ``power``
                   (log10), ``band`` (measured share of the axis)
``lattice``        ``dwi`` and ``fa``: by period P, (P, P) mean residual in noise units
``histograms``     ``fa`` (no unit) and ``md`` (mm2/s) in the brain: ``edges``, and shares
                   ``input`` and ``sr``
``bad_slices``     list of ``volume``, ``slice`` (from 0) and ``text``
=================  ======================================================================
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_DIGITS = 5


def plain(value: Any) -> Any:
    """Convert `value` for JSON: lists, rounded numbers, None where it is not finite."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
