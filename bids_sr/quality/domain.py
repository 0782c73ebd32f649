"""Whether a scan is within the range the network was trained on, according to its model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

_SIZE_TOLERANCE = 0.05
_B_TOLERANCE = 0.2
_BY = " \N{MULTIPLICATION SIGN} "


def strange_voxels(record: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Warn if the acquired voxel size lies outside the training range.

    Finer voxels are usual, since training coarsens its scans: the text then gives the
    measured cost.

    Parameters
    ----------
    record : mapping
        The run's metrics: ``input_zooms_mm``, ``slice_axis``.
    model : mapping
        Content of the model card: ``voxel_sizes_mm``, ``extrapolation``.

    Returns
    -------
    str
        Empty if it lies within, or if the record does not give it.
    """
    if not _knows_voxels(record):
        return ""
    if not _sizes(model.get("voxel_sizes_mm")):
        return "The model card does not say which voxel sizes the network was trained on."
    seen = _voxels(record, model)
    if all(side.inside for side in seen):
        return ""
    if is_finer(record, model):
        return _finer_sentence(seen, model)
    in_plane, across = seen[:-1], seen[-1]
    sides = _BY.join(f"{side.mm:.2f}" for side in in_plane)
    return (
        f"The acquired voxels ({sides} mm in plane, {across.mm:.2f} mm across) lie outside "
        "what the network was trained on "
        f"({_span(in_plane[0].trained)} mm in plane, {_span(across.trained)} mm across)."
    )


def is_finer(record: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    """Return whether the acquired voxels are outside the training range only by being finer.

    Parameters
    ----------
    record, model : mapping
        See `strange_voxels`.

    Returns
    -------
    bool
        False if they lie within, if a side is longer than any in training, or if it is
        unknown.
    """
    if not _knows_voxels(record) or not _sizes(model.get("voxel_sizes_mm")):
        return False
    seen = _voxels(record, model)
    return any(side.finer for side in seen) and all(side.finer or side.inside for side in seen)


@frozen
class _Side:
    """One side of the acquired voxels, and those seen in training."""

    mm: float
    trained: Sequence[float]

    @property
    def finer(self) -> bool:
        return self.mm < (1 - _SIZE_TOLERANCE) * min(self.trained)

    @property
    def inside(self) -> bool:
        return not self.finer and self.mm <= (1 + _SIZE_TOLERANCE) * max(self.trained)


def _knows_voxels(record: Mapping[str, Any]) -> bool:
    return len(zooms(record.get("input_zooms_mm"))) == 3 and record.get("slice_axis") in (0, 1, 2)


def _voxels(record: Mapping[str, Any], model: Mapping[str, Any]) -> list[_Side]:
    """Return the two sides in plane, then the one across."""
    size, axis = zooms(record.get("input_zooms_mm")), record["slice_axis"]
    trained = _sizes(model.get("voxel_sizes_mm"))
    in_plane = [mm for sizes in trained for mm in sizes[:2]]
    sides = [_Side(mm, in_plane) for i, mm in enumerate(size) if i != axis]
    return [*sides, _Side(size[axis], [sizes[2] for sizes in trained])]


def _finer_sentence(seen: Sequence[_Side], model: Mapping[str, Any]) -> str:
    in_plane, across = seen[:-1], seen[-1]
    limits = []
    if any(side.finer for side in in_plane):
        limits.append(f"{min(in_plane[0].trained):.2f} mm and coarser")
    if across.finer:
        limits.append(f"slices of {min(across.trained):.2f} mm and thicker")
    told = f"The voxels are finer than in training ({', '.join(limits)}), as in most scans."
    return f"{told} {_price(model.get('extrapolation'))}. The self-check shows it for this scan."


def _price(cost: Any) -> str:
    names = {
        "b0": "the b0 detail",
        "mean": "the detail of the mean",
        "l2": "the directional detail",
    }
    cost = cost if isinstance(cost, Mapping) else {}
    told = [
        f"{float(cost[key]):.2f} more of {name}"
        for key, name in names.items()
        if cost.get(key) is not None and _reads_as_number(cost[key])
    ]
    if not told:
        return "The cost of going beyond the training range was not measured"
    return f"In tests one step beyond training, {_joined(told)} remained unexplained"


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(", ".join(parts).rsplit(", ", 1))


def strange_b_values(record: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Describe the shells that training did not cover.

    Parameters
    ----------
    record : mapping
        The run's metrics: ``shells``.
    model : mapping
        Content of the model card.

    Returns
    -------
    str
        Empty if there are none, or if the record does not list the shells.
    """
    shells = [float(b) for b in str(record.get("shells") or "").split(";") if _reads_as_number(b)]
    trained = [float(b) for b in _list(model.get("b_values")) if _reads_as_number(b)]
    if not shells:
        return ""
    if not trained:
        return "The model card does not say which b-values the network was trained on."
    strange = [b for b in shells if not any(abs(b - t) <= _B_TOLERANCE * b for t in trained)]
    if not strange:
        return ""
    seen = ", ".join(f"{b:.0f}" for b in sorted(trained))
    return (
        f"The network has not been trained at b = {', '.join(f'{b:.0f}' for b in strange)} s/mm² "
        f"or near it (trained at b = {seen})."
    )


def strange_snr(record: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Warn if the signal-to-noise ratio of the b0s is outside the training range.

    Parameters
    ----------
    record : mapping
        The run's metrics: ``snr_b0``.
    model : mapping
        Content of the model card: ``snr_b0``, smallest and largest.

    Returns
    -------
    str
        Empty if it is not, or if either value is missing.
    """
    snr, trained = record.get("snr_b0"), _list(model.get("snr_b0"))
    if not _reads_as_number(snr) or len(trained) != 2 or not all(map(_reads_as_number, trained)):
        return ""
    low, high = map(float, trained)
    if low <= float(str(snr)) <= high:
        return ""
    return (
        f"The b0s have a signal-to-noise ratio of {float(str(snr)):.1f}; the network was trained "
        f"on {low:.1f} to {high:.1f}."
    )


def is_cleaner(record: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    """Return whether the b0s are less noisy than any in training, which does no harm."""
    snr, trained = record.get("snr_b0"), _list(model.get("snr_b0"))
    return bool(strange_snr(record, model)) and float(str(snr)) > float(trained[1])


def zooms(text: Any) -> tuple[float, ...]:
    """Parse voxel sizes such as ``2.00x2.00x3.00``; empty if malformed.

    Examples
    --------
    >>> zooms("2.00x2.00x3.00")
    (2.0, 2.0, 3.0)
    """
    try:
        return tuple(float(part) for part in str(text).split("x"))
    except ValueError:
        return ()


def _sizes(value: Any) -> list[list[float]]:
    return [
        [float(mm) for mm in sizes]
        for sizes in _list(value)
        if len(_list(sizes)) == 3 and all(_reads_as_number(mm) for mm in sizes)
    ]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _within(mm: float, known: Sequence[float]) -> bool:
    return (1 - _SIZE_TOLERANCE) * min(known) <= mm <= (1 + _SIZE_TOLERANCE) * max(known)


def _span(known: Sequence[float]) -> str:
    low, high = min(known), max(known)
    return f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"


def _reads_as_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
