"""The position and size of voxels in a NIfTI header."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

_MM = {1: ("metres", 1e3), 3: ("micrometres", 1e-3)}
"""NIfTI codes of length units other than mm: name, and mm per unit."""

_PLAUSIBLE_MM = (0.01, 20.0)
"""Plausible voxel sides in diffusion MRI, mm, from microscopy to large voxels."""

_POSSIBLE_MM = (0.001, 100.0)
"""Voxel sides outside this range cannot be in mm."""


def orientation_warnings(header: Nifti1Header) -> tuple[str, ...]:
    """Warn if there is no orientation, or if there are two.

    Parameters
    ----------
    header : nibabel.nifti1.Nifti1Header
        Header of the image. Qform and sform count as different from half a voxel on.

    Returns
    -------
    tuple of str
        Full sentences, for log and report; usually none.
    """
    sform, qform = header.get_sform(coded=True)[0], _qform(header)
    if sform is None and qform is None:
        return ("Neither qform nor sform is set, left and right may be swapped: check it.",)
    if sform is not None and qform is not None:
        with np.errstate(all="ignore"):
            apart = _furthest_apart(sform, qform, header.get_data_shape()[:3])
        if not apart <= 0.5 * min(header.get_zooms()[:3]):
            return (f"Qform and sform lie up to {apart:.1f} mm apart; the sform is used.",)
    return ()


def repair_warnings(raw: Nifti1Header, header: Nifti1Header) -> tuple[str, ...]:
    """Warn of what nibabel silently repaired in the orientation used.

    Parameters
    ----------
    raw : nibabel.nifti1.Nifti1Header
        As stored in the file.
    header : nibabel.nifti1.Nifti1Header
        As returned by nibabel.

    Returns
    -------
    tuple of str
        Full sentences; usually none.
    """
    said = [
        f"The header's {form}_code is {int(raw[form + '_code'])}, which is not valid: its {form}"
        " is not used."
        for form in ("qform", "sform")
        if int(raw[form + "_code"]) != int(header[form + "_code"])
    ]
    if header.get_sform(coded=True)[0] is not None:
        return tuple(said)
    by_qform = int(header["qform_code"]) > 0
    qfac = float(raw["pixdim"][0])
    if by_qform and qfac not in (-1, 1):
        said.append(
            f"The qform is the only orientation and its qfac (pixdim[0]) is {qfac:g}, not 1 or -1:"
            " 1 is assumed, and slices may be in reverse order, left and right swapped: check it."
        )
    sides = [float(side) for side in raw["pixdim"][1:4]]
    if any(not side > 0 for side in sides):
        taken = "x".join(f"{float(side):g}" for side in header["pixdim"][1:4])
        given = "x".join(f"{side:g}" for side in sides)
        said.append(f"The header gives voxels of {given} mm; {taken} mm is assumed: check it.")
    return tuple(said)


def length_problem(header: Nifti1Header, zooms: Sequence[float]) -> str:
    """Return why voxel sides cannot be lengths in mm; empty if they can.

    Parameters
    ----------
    header : nibabel.nifti1.Nifti1Header
        For its code of units.
    zooms : sequence of float
        Voxel sides of the affine in use.

    Returns
    -------
    str
        A predicate: ``has ...``.
    """
    sides = "x".join(f"{side:.4g}" for side in zooms)
    unit = _other_unit(header, zooms)
    if unit:
        return f"has voxels of {sides} {unit}, but lengths in mm are expected."
    low, high = _POSSIBLE_MM
    if not low <= min(zooms) <= max(zooms) <= high:
        return f"has voxels of {sides} mm, which no scanner makes."
    return ""


def length_warnings(header: Nifti1Header) -> tuple[str, ...]:
    """Warn if the header's code of units cannot be right; lengths are then taken as mm."""
    code = int(header["xyzt_units"]) & 7
    if code not in _MM:
        return ()
    return (
        f"The header gives lengths in {_MM[code][0]}, which is implausible; they are taken as mm.",
    )


def _other_unit(header: Nifti1Header, zooms: Sequence[float]) -> str:
    """Return the unit in the header, if it is not mm and plausible."""
    name, factor = _MM.get(int(header["xyzt_units"]) & 7, ("", 0.0))
    low, high = _PLAUSIBLE_MM
    return name if all(low <= side * factor <= high for side in zooms) else ""


def _qform(header: Nifti1Header) -> NDArray[np.float64] | None:
    try:
        qform: NDArray[np.float64] | None = header.get_qform(coded=True)[0]
    except HeaderDataError:
        # a broken quaternion only matters if it is the only orientation, and then nibabel has
        # already refused the image
        return None
    return qform


def _furthest_apart(
    one: NDArray[np.float64], other: NDArray[np.float64], shape: Sequence[int]
) -> float:
    corners = np.array([[*c, 1] for c in itertools.product(*((0, n - 1) for n in shape))])
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())
