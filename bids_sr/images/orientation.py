"""What a NIfTI header says of where the voxels lie."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

_LOG = logging.getLogger("bids_sr")


def warn_of_orientation(path: Path, header: Nifti1Header) -> None:
    """Log a warning if there is no orientation, or if there are two.

    Parameters
    ----------
    path : pathlib.Path
        The image, to be named.
    header : nibabel.nifti1.Nifti1Header
        Its header. Qform and sform count as two from half a voxel on.
    """
    sform, qform = header.get_sform(coded=True)[0], _qform(header)
    if sform is None and qform is None:
        _LOG.warning(
            "%s: neither qform nor sform is set, left and right may be swapped: check it.", path
        )
    elif sform is not None and qform is not None:
        apart = _furthest_apart(sform, qform, header.get_data_shape()[:3])
        if apart > 0.5 * min(header.get_zooms()[:3]):
            _LOG.warning(
                "%s: qform and sform lie up to %.1f mm apart; the sform is used.", path, apart
            )


def _qform(header: Nifti1Header) -> NDArray[np.float64] | None:
    try:
        qform: NDArray[np.float64] | None = header.get_qform(coded=True)[0]
    except HeaderDataError:
        # a broken quaternion only matters where it is the one orientation
        # there is, and then nibabel has already refused the image
        return None
    return qform


def _furthest_apart(
    one: NDArray[np.float64], other: NDArray[np.float64], shape: Sequence[int]
) -> float:
    corners = np.array([[*c, 1] for c in itertools.product(*((0, n - 1) for n in shape))])
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())
