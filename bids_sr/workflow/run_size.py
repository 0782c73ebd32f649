"""The properties of a run that determine its memory.

The acquired matrix is never larger than the stored one, so headers give an upper bound. Voxels need
to be read only if that exceeds the limit, or if the exact value is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from attrs import frozen

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.errors import BidsSrError
from bids_sr.images.runs import open_run
from bids_sr.networks.card import ModelCard
from bids_sr.networks.series_parts import series_parts
from bids_sr.networks.slice_frame import slice_frame
from bids_sr.workflow.expected_run import expected_run
from bids_sr.workflow.plan import RunPlan


@frozen
class NetworkPasses:
    """What a network for the series reads; empty for a network for single volumes."""

    shells: int = 0
    """How often it reads each slice; once also if there are only b0s."""
    images: int = 0
    """Images of the series that it reads: b0, mean and l = 2 of each shell."""


def passes_of(card: ModelCard, gradients: GradientTable) -> NetworkPasses:
    """Return what a network reads of a series.

    Parameters
    ----------
    card : ModelCard
        The network.
    gradients : GradientTable
        Of the series.

    Returns
    -------
    NetworkPasses
    """
    if not card.sees_series:
        return NetworkPasses()
    # the orientation of slices does not change the number of images
    parts = series_parts(gradients, slice_frame(np.eye(4), 2))
    return NetworkPasses(max(1, len(parts.shells)), parts.details)


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
    passes: NetworkPasses = NetworkPasses()
    """What a network for the series sees of it."""


_UNKNOWN = RunSize(0.0, 0.0, 0.0, 0, 0.0)
"""Size of a run that cannot be opened."""


def size_of(plan: RunPlan, run: DwiRun) -> RunSize:
    """Return the size of a run.

    Parameters
    ----------
    plan : RunPlan
        Its names hold the factor.
    run : DwiRun
        The same, opened, at its acquired matrix (`bids_sr.workflow.expected_run`).

    Returns
    -------
    RunSize
    """
    shape = run.shape[:3]
    coarse = 4e-9 * math.prod(shape)
    fine = coarse * plan.names.factor**2
    stored = 4e-9 * math.prod(run.stored.shape) if run.stored else coarse
    shells = max(1, len(run.gradients.shells))
    passes = passes_of(plan.options.card, run.gradients)
    return RunSize(stored, coarse, fine, shells, math.prod(shape) / min(shape), passes)


def stored_size(plan: RunPlan) -> RunSize:
    """Return the stored size of a run, from its headers: at least `expected_size`.

    Parameters
    ----------
    plan : RunPlan

    Returns
    -------
    RunSize
        All zeros if the run cannot be opened.
    """
    return _size(plan, lambda: open_run(plan.files))


def expected_size(plan: RunPlan) -> RunSize:
    """Return the size of a run at its acquired matrix, from its first volume.

    Parameters
    ----------
    plan : RunPlan

    Returns
    -------
    RunSize
        All zeros if the run cannot be opened.
    """
    return _size(plan, lambda: expected_run(plan))


def _size(plan: RunPlan, opened: Callable[[], DwiRun]) -> RunSize:
    try:
        return size_of(plan, opened())
    except (BidsSrError, OSError):
        return _UNKNOWN
