"""What of a run decides how much memory it takes.

What was acquired is never larger than what is stored, so headers give an upper bound. Voxels
need be looked at only where that does not fit, and where the very figure is told.
"""

from __future__ import annotations

import math

from attrs import frozen

from bids_sr.bids.dwi_run import DwiRun, open_run
from bids_sr.errors import BidsSrError
from bids_sr.workflow.acquired import expected_run
from bids_sr.workflow.plan import RunPlan


@frozen
class RunSize:
    """Volumes, slices and shells of a run."""

    stored_gb: float
    """A volume of the input as it is stored, float32."""
    coarse_gb: float
    """A volume of the input at its acquired matrix."""
    fine_gb: float
    """A super-resolved volume."""
    shells: int
    """Shells of the gradient table."""
    largest_slice: float
    """Pixels, along whichever axis slices lie."""


_UNKNOWN = RunSize(0.0, 0.0, 0.0, 0, 0.0)
"""Of a run that cannot be opened."""


def size_of(plan: RunPlan, run: DwiRun) -> RunSize:
    """Return the size of a run.

    Parameters
    ----------
    plan : RunPlan
        Its names tell the factor.
    run : DwiRun
        The same, opened, at its acquired matrix (`bids_sr.workflow.acquired`).

    Returns
    -------
    RunSize
    """
    shape = run.shape[:3]
    coarse = 4e-9 * math.prod(shape)
    fine = coarse * plan.names.factor**2
    stored = 4e-9 * math.prod(run.stored.shape) if run.stored else coarse
    shells = max(1, len(run.gradients.shells))
    return RunSize(stored, coarse, fine, shells, math.prod(shape) / min(shape))


def stored_size(plan: RunPlan) -> RunSize:
    """Return the size of a run as it is stored, by its headers: no less than `expected_size`.

    Parameters
    ----------
    plan : RunPlan

    Returns
    -------
    RunSize
        Nothing but zeros if the run cannot be opened.
    """
    try:
        return size_of(plan, open_run(plan.files))
    except (BidsSrError, OSError):
        return _UNKNOWN


def expected_size(plan: RunPlan) -> RunSize:
    """Return the size that a run will have at its acquired matrix, by its first volume.

    Parameters
    ----------
    plan : RunPlan

    Returns
    -------
    RunSize
        Nothing but zeros if the run cannot be opened.
    """
    try:
        return size_of(plan, expected_run(plan))
    except (BidsSrError, OSError):
        return _UNKNOWN
