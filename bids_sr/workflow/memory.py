"""How much memory each step of a run takes."""

from __future__ import annotations

import math

from bids_sr.bids.dwi_run import open_run
from bids_sr.errors import BidsSrError
from bids_sr.workflow.plan import RunPlan

NETWORK_STEPS = ("super_resolve", "self_check")
"""Steps that run the network, on a GPU if there is one."""

_BASE_GB = 0.9
"""What a process holds for torch, dipy and the like, and for the slabs of a fit."""
_CUDA_GB = 1.0
"""What CUDA adds to it."""
_VOLUMES = {
    "read": 0,
    "super_resolve": 14,
    "describe": 0,
    "mask": 8,
    "fit_input": 4,
    "fit_tensor": 12,
    "fit_gqi": 6,
    "fit_input_gqi": 2,
    "spread": 0,
    "self_check": 6,
    "judge": 12,
    "draw": 12,
}
"""Beside the base, in super-resolved volumes: measured, and a quarter more."""
_COPIES = 36
"""Super-resolved volumes in memory while turned copies are kept: measured as 17 more than
without, and a quarter more. The refits need 12, but may have to make lost copies again."""


def step_memory_gb(plan: RunPlan) -> dict[str, float]:
    """Return the most memory that each step of a run takes, in a process of its own.

    Parameters
    ----------
    plan : RunPlan
        The run. If its image cannot be opened, only the base is counted: the first
        step will say what is wrong.

    Returns
    -------
    dict of str to float
        GB, by name of the step.
    """
    volume = volume_gb(plan)
    volumes = _VOLUMES | (
        {"super_resolve": _COPIES, "spread": _COPIES} if plan.choices.uncertainty else {}
    )
    cuda = _CUDA_GB if plan.choices.device.startswith("cuda") else 0.0
    return {
        name: round(_BASE_GB + cuda * (name in NETWORK_STEPS) + count * volume, 2)
        for name, count in volumes.items()
    }


def least_memory_gb(plan: RunPlan) -> float:
    """Return what the largest step of a run needs, GB: with less, it cannot be done."""
    return max(step_memory_gb(plan).values())


def volume_gb(plan: RunPlan) -> float:
    """Return the size of one super-resolved volume in memory, GB; 0 if it is not known."""
    try:
        shape = open_run(plan.files).shape
    except BidsSrError:
        return 0.0
    return 4e-9 * math.prod(shape[:3]) * plan.names.factor**2
