"""Which volumes a model is fitted to, or why it is not fitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsInt

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable

DTI_MAX_B = 1500.0
"""Above this b-value, s/mm2, the signal deviates from the tensor's exponential."""
DTI_MIN_DIRECTIONS = 6
"""A tensor has six unknowns besides S0."""
GQI_MIN_DIRECTIONS = 15
"""Coefficients of an antipodally symmetric function of order 4, the lowest that
can show two crossing fibres (Descoteaux et al. 2007, Magn Reson Med 58:497)."""
_B_TOLERANCE = 50.0


def _integers(values: Iterable[SupportsInt]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


@frozen
class Selection:
    """Volumes to fit a model to."""

    indices: tuple[int, ...] = field(converter=_integers)
    """Volumes, counted from 0, ascending; empty when there is a `reason`."""
    reason: str | None = None
    """Why the model is not fitted, one sentence; None when it is."""


def dti_volumes(gradients: GradientTable) -> Selection:
    """Choose the volumes for the diffusion tensor.

    The b0s, and all shells up to b = 1500 if their directions determine a
    tensor; otherwise the lowest shells that do.

    Parameters
    ----------
    gradients : GradientTable
        Of the whole series.

    Returns
    -------
    Selection
    """
    missing = _missing(gradients, "DTI")
    if missing:
        return Selection((), missing)
    chosen = np.flatnonzero(gradients.is_b0)
    for shell in gradients.shells:
        if shell.bval > DTI_MAX_B + _B_TOLERANCE and _determines_tensor(gradients, chosen):
            break
        chosen = np.union1d(chosen, shell.indices)
    if _determines_tensor(gradients, chosen):
        return Selection(chosen)
    found = _directions(gradients, chosen)
    if found < DTI_MIN_DIRECTIONS:
        return Selection(
            (), f"DTI skipped: {found} distinct directions, {DTI_MIN_DIRECTIONS} needed."
        )
    return Selection((), f"DTI skipped: the {found} directions do not determine a tensor.")


def gqi_volumes(gradients: GradientTable) -> Selection:
    """Choose the volumes for generalized q-sampling imaging: all, or none.

    Parameters
    ----------
    gradients : GradientTable
        Of the whole series.

    Returns
    -------
    Selection
    """
    missing = _missing(gradients, "GQI")
    if missing:
        return Selection((), missing)
    found = gradients.n_directions
    if found < GQI_MIN_DIRECTIONS:
        return Selection(
            (), f"GQI skipped: {found} distinct directions, {GQI_MIN_DIRECTIONS} needed."
        )
    return Selection(range(gradients.n_volumes))


def _missing(gradients: GradientTable, model: str) -> str | None:
    if gradients.not_linear:
        return (
            f"{model} skipped: {gradients.not_linear}, so volumes were not encoded along one"
            " direction each."
        )
    if gradients.is_b0.all():
        return f"{model} skipped: there are only b0 volumes."
    if not gradients.is_b0.any():
        return f"{model} skipped: there is no b0 volume."
    return None


def _directions(gradients: GradientTable, indices: NDArray[np.intp]) -> int:
    return gradients.subset(indices).n_directions


def _determines_tensor(gradients: GradientTable, indices: NDArray[np.intp]) -> bool:
    # even many directions leave D undetermined if they are on one cone or in few planes
    weighted = indices[~gradients.is_b0[indices]]
    if _directions(gradients, indices) < DTI_MIN_DIRECTIONS:
        return False
    x, y, z = gradients.bvecs[weighted].T
    products = np.stack([x * x, y * y, z * z, x * y, x * z, y * z], axis=1)
    return bool(np.linalg.cond(products) < 1e3)
