"""In which numbers a series is stored, and what rounding to them costs."""

from __future__ import annotations

import math

from attrs import frozen

DTYPES = ("float32", "int16")
"""Data types on disk that can be asked for. NIfTI has no float16."""

_LARGEST = 32767
_HEADROOM = 2.0
"""Room above the largest value of the input: edges overshoot, by a tenth in plain interpolation."""
_COARSEST = 2e-4
"""Largest error of rounding (root mean square), in units of a bright voxel of the first b0: even
at a signal-to-noise ratio of 100 it adds less than a thousandth to the variance of the noise."""


@frozen
class Storage:
    """Data type of a series on disk, and its step."""

    dtype: str = "float32"
    """One of `DTYPES`."""
    step: float = 1.0
    """Value of one unit on disk, in units of the input."""
    warnings: tuple[str, ...] = ()
    """Why it is not what was asked for."""
    facts: tuple[str, ...] = ()
    """What a reader of the report should know of it."""

    def notes(self, clipped: int) -> tuple[str, ...]:
        """Return what there is to be said of a series with so many voxels cut off."""
        said = (*self.warnings, *self.facts)
        if not clipped:
            return said
        top = self.step * _LARGEST
        return (
            *said,
            f"{clipped} voxels of the series were above {top:.5g}, the most that {self.dtype}"
            " holds in these steps, and are cut off there.",
        )


def choose_storage(dtype: str, largest: float, scale: float) -> Storage:
    """Return how a super-resolved series is stored.

    Parameters
    ----------
    dtype : str
        One of `DTYPES`, as the user asked for it.
    largest : float
        Largest value of the input; positive.
    scale : float
        Intensity of a bright voxel (`bids_sr.images.intensity.robust_scale`).

    Returns
    -------
    Storage
        With int16 one step for the whole series, as NIfTI has it, so that twice the largest
        value fits. float32 all the same where such steps would be too coarse, because a few
        voxels are far brighter than the brain.
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
