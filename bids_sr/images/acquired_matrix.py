"""The acquired matrix of a scan, from its sidecar and its spectrum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen
from numpy.typing import NDArray

from bids_sr.images.band import AxisSpectra
from bids_sr.images.band_edge import FULL

GIVEN, SIDECAR, SPECTRUM = "given", "sidecar", "spectrum"
"""Source of the information on a matrix."""

_AGREE = 0.04
"""Tolerance between the step in the spectrum and the sidecar, as a fraction of the stored side."""
_FALL_DB = 7.0
"""Drop in power, dB, required at the end of the sidecar's band, if there is no step."""
_LEAST = 0.2
"""Fraction of the stored side below which a number in a sidecar is not taken as its matrix."""
_EQUAL = 1.01
"""Ratio of voxel sides up to which a matrix is taken to be square."""
_AXES = "ijk"


@frozen
class AcquiredMatrix:
    """In-plane sides of a scan, as acquired and as stored."""

    sides: tuple[int, int]
    """Acquired along both in-plane axes, ascending."""
    stored: tuple[int, int]
    """Stored."""
    evidence: tuple[str, str] = ("", "")
    """`GIVEN`, `SIDECAR`, `SPECTRUM`, or empty where the axis is stored as acquired."""

    @property
    def is_filled(self) -> bool:
        """Whether the scan is stored finer than it was acquired."""
        return self.sides != self.stored


def find_matrix(
    volumes: Iterable[NDArray[Any]],
    sidecar: Mapping[str, Any],
    in_plane: Sequence[int],
    zooms: Sequence[float],
) -> AcquiredMatrix:
    """Find the acquired matrix of a scan.

    A step in the spectrum is accepted; where the sidecar nearly agrees, its number is used. A
    matrix given by the sidecar alone is accepted if power falls there, as it does when the scanner
    also applied a filter. A filter alone, like resampling, does not indicate a matrix.

    Parameters
    ----------
    volumes : iterable of numpy.ndarray
        (slices, a, b) each, a few volumes of one run; at least one.
    sidecar : mapping
        BIDS metadata, with the further keys of dcm2niix.
    in_plane : sequence of int
        Voxel axes a and b.
    zooms : sequence of float
        Voxel size along the three voxel axes, mm.

    Returns
    -------
    AcquiredMatrix
    """
    spectra = AxisSpectra()
    for volume in volumes:
        spectra.add(volume)
    stored = spectra.sides
    claims = _claims(sidecar, in_plane, stored, zooms)
    found = [_along(spectra, number, claims[number]) for number in (0, 1)]
    if stored[0] == stored[1] and _ratio(zooms[in_plane[0]], zooms[in_plane[1]]) <= _EQUAL:
        found = _square(found, stored[0])
    (rows, why_rows), (columns, why_columns) = found
    return AcquiredMatrix((rows, columns), stored, (why_rows, why_columns))


def _along(spectra: AxisSpectra, number: int, claims: Sequence[int]) -> tuple[int, str]:
    """Return the acquired side along one axis, and the source of that information."""
    stored, edge = spectra.sides[number], spectra.edges[number]
    if edge is not None:
        near = [side for side in claims if abs(side - edge.pixels) <= _AGREE * stored]
        return (near[0], SIDECAR) if near else (edge.pixels, SPECTRUM)
    for side in claims:
        floor = spectra.band[number]
        if spectra.falls_by(number, side) >= _FALL_DB or floor < min(1.0, side / stored + _AGREE):
            return side, SIDECAR
    return stored, ""


def _square(found: list[tuple[int, str]], stored: int) -> list[tuple[int, str]]:
    """Make sides equal if they differ by no more than the spectrum can resolve."""
    (rows, why_rows), (columns, why_columns) = found
    if not (why_rows and why_columns) or abs(rows - columns) > max(2, _AGREE / 2 * stored):
        return found
    if why_rows == why_columns == SIDECAR:
        return found
    sure = [side for side, why in found if why == SIDECAR]
    side = sure[0] if sure else max(rows, columns)
    return [(side, why_rows), (side, why_columns)]


def _claims(
    sidecar: Mapping[str, Any],
    in_plane: Sequence[int],
    stored: tuple[int, int],
    zooms: Sequence[float],
) -> tuple[list[int], list[int]]:
    """Return the sides in the sidecar along both axes, if smaller than stored."""
    phase = _phase_axis(sidecar)
    made: tuple[list[int], list[int]] = ([], [])
    for number, (axis, side) in enumerate(zip(in_plane, stored, strict=True)):
        said: list[float | None] = []
        if phase == axis and sidecar.get("ReconMatrixPE") in (None, side):
            sampling = _positive(sidecar.get("PercentSampling"))
            said = [
                _positive(sidecar.get("AcquisitionMatrixPE")),
                _of_dicom(sidecar, 2),
                None if sampling is None else side * sampling / 100,
            ]
        elif phase is not None and phase != axis:
            said = [_positive(sidecar.get("BaseResolution")), _of_dicom(sidecar, 0)]
        size = sidecar.get("AcquisitionVoxelSize")
        if isinstance(size, list | tuple) and len(size) == 3 and _positive(size[axis]):
            said.append(side * zooms[axis] / float(size[axis]))
        made[number].extend(
            round(value)
            for value in said
            if value is not None and _LEAST * side <= value < FULL * side
        )
    return made


def _of_dicom(sidecar: Mapping[str, Any], first: int) -> float | None:
    """Return frequency (0) or phase (2) sides of (0018,1310): rows and columns of each."""
    matrix = sidecar.get("AcquisitionMatrix")
    if not isinstance(matrix, list | tuple) or len(matrix) != 4:
        return None
    sides = [_positive(side) for side in matrix[first : first + 2]]
    return next((side for side in sides if side), None)


def _phase_axis(sidecar: Mapping[str, Any]) -> int | None:
    for key in ("PhaseEncodingDirection", "PhaseEncodingAxis"):
        value = sidecar.get(key)
        if isinstance(value, str) and value[:1] in _AXES and value[:1]:
            return _AXES.index(value[0])
    dicom = sidecar.get("InPlanePhaseEncodingDirectionDICOM")
    return {"ROW": 0, "COL": 1}.get(dicom) if isinstance(dicom, str) else None


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if value > 0 else None


def _ratio(one: float, other: float) -> float:
    return max(one, other) / min(one, other)
