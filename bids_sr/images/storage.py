"""The data type of the output series, and its rounding error."""

from __future__ import annotations

import math

from attrs import frozen

DTYPES = ("float32", "int16")
"""Data types on disk that can be requested. NIfTI has no float16."""

_LARGEST = 32767
_HEADROOM = 2.0
"""Headroom above the input's largest value: edges overshoot, by a tenth with interpolation."""
_COARSEST = 2e-4
"""Largest rounding error allowed (root mean square), in units of a bright voxel of the first b0:
even at a signal-to-noise ratio of 100 it adds less than a thousandth to the noise variance."""


@frozen
class Storage:
    """Data type of a series on disk, and its step."""

    dtype: str = "float32"
    """One of `DTYPES`."""
    step: float = 1.0
    """Value of one unit on disk, in units of the input."""
    warnings: tuple[str, ...] = ()
    """Why it is not the requested type."""
    facts: tuple[str, ...] = ()
    """Remark for the report."""

    def notes(self, clipped: int) -> tuple[str, ...]:
        """Return the notes on a series of which this many voxels were clipped."""
        said = (*self.warnings, *self.facts)
        if not clipped:
            return said
        top = self.step * _LARGEST
        return (
            *said,
            f"{clipped} voxels of the series were above {top:.5g}, the most that {self.dtype}"
            " holds in these steps, and were clipped.",
        )


def choose_storage(dtype: str, largest: float, scale: float) -> Storage:
    """Return how a super-resolved series is stored.

    Parameters
    ----------
    dtype : str
        One of `DTYPES`, as requested by the user.
    largest : float
        Largest value of the input; positive.
    scale : float
        Intensity of a bright voxel (`bids_sr.images.intensity.robust_scale`).

    Returns
    -------
    Storage
        For int16 one step for the whole series, as in NIfTI, so that twice the largest value fits.
        float32 instead if such steps would be too coarse, because a few voxels are far brighter
        than the brain.
    """
    if dtype == "float32":
        return Storage()
    step = _HEADROOM * largest / _LARGEST
    error = step / math.sqrt(12) / scale
    if error > _COARSEST:
        return Storage(
            warnings=(
                f"Stored as float32, not {dtype}: the brightest voxel ({largest:.4g}) is so far"
                f" above the brain ({scale:.4g}) that rounding would be an error of"
                f" {error:.2%} of the latter.",
            )
        )
    share = 100 * step / scale
    fact = f"Stored as {dtype} in steps of {step:.3g}, {share:.2g} % of a bright voxel."
    return Storage(dtype, step, facts=(fact,))
