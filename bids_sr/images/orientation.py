"""What a NIfTI header says of where the voxels lie."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

_MM = {1: ("metres", 1e3), 3: ("micrometres", 1e-3)}
"""Codes of length other than mm in a NIfTI header: their name, and mm in one of them."""

_PLAUSIBLE_MM = (0.01, 20.0)
"""Voxel sides of diffusion MRI, from microscopes to large voxels."""

_POSSIBLE_MM = (0.001, 100.0)
"""Voxel sides outside of these are no lengths in mm."""


def orientation_warnings(header: Nifti1Header) -> tuple[str, ...]:
    """Say if there is no orientation, or if there are two.

    Parameters
    ----------
    header : nibabel.nifti1.Nifti1Header
        Of the image. Qform and sform count as two from half a voxel on.

    Returns
    -------
    tuple of str
        Whole sentences, for the log and for the report; mostly none.
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
    """Say what nibabel silently put right in the orientation that is used.

    Parameters
    ----------
    raw : nibabel.nifti1.Nifti1Header
        As it stands in the file.
    header : nibabel.nifti1.Nifti1Header
        As nibabel gives it.

    Returns
    -------
    tuple of str
        Whole sentences; mostly none.
    """
    said = [
        f"The header's {form}_code is {int(raw[form + '_code'])}, which means nothing: its {form}"
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
            " 1 is taken, and the slices may be in reverse order, left and right swapped: check it."
        )
    sides = [float(side) for side in raw["pixdim"][1:4]]
    if any(not side > 0 for side in sides):
        taken = "x".join(f"{float(side):g}" for side in header["pixdim"][1:4])
        given = "x".join(f"{side:g}" for side in sides)
        said.append(f"The header gives voxels of {given} mm; {taken} mm is taken: check it.")
    return tuple(said)


def length_problem(header: Nifti1Header, zooms: Sequence[float]) -> str:
    """Say why voxel sides cannot be lengths in mm; empty if they can.

    Parameters
    ----------
    header : nibabel.nifti1.Nifti1Header
        Its code of units is looked at.
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
        return f"has voxels of {sides} {unit}, where lengths in mm are wanted."
    low, high = _POSSIBLE_MM
    if not low <= min(zooms) <= max(zooms) <= high:
        return f"has voxels of {sides} mm, which no scanner makes."
    return ""


def length_warnings(header: Nifti1Header) -> tuple[str, ...]:
    """Say if the header's code of units cannot be right; the lengths count as mm then."""
    code = int(header["xyzt_units"]) & 7
    if code not in _MM:
        return ()
    return (f"The header gives lengths in {_MM[code][0]}, which cannot be; they count as mm.",)


def _other_unit(header: Nifti1Header, zooms: Sequence[float]) -> str:
    """Return the unit that the header names, if it is not mm and makes sense."""
    name, factor = _MM.get(int(header["xyzt_units"]) & 7, ("", 0.0))
    low, high = _PLAUSIBLE_MM
    return name if all(low <= side * factor <= high for side in zooms) else ""


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
