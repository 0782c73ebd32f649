"""Whether a scan is of the kind that the network was trained on, as its card tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SIZE_TOLERANCE = 0.05
_B_TOLERANCE = 0.2
_BY = " \N{MULTIPLICATION SIGN} "


def strange_voxels(record: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Say that the acquired voxels are none of those seen in training.

    Parameters
    ----------
    record : mapping
        The run's metrics: ``input_zooms_mm``, ``slice_axis``.
    model : mapping
        Content of the model card.

    Returns
    -------
    str
        Empty if they are, or if the record does not say what was acquired.
    """
    size, axis = zooms(record.get("input_zooms_mm")), record.get("slice_axis")
    if len(size) != 3 or axis not in (0, 1, 2):
        return ""
    trained = _sizes(model.get("voxel_sizes_mm"))
    if not trained:
        return "The model card does not say which voxel sizes the network was trained on."
    across = size[axis]
    in_plane = [mm for i, mm in enumerate(size) if i != axis]
    known_plane = [mm for sizes in trained for mm in sizes[:2]]
    known_across = [sizes[2] for sizes in trained]
    if all(_within(mm, known_plane) for mm in in_plane) and _within(across, known_across):
        return ""
    sides = _BY.join(f"{mm:.2f}" for mm in in_plane)
    return (
        f"The acquired voxels ({sides} mm in plane, {across:.2f} mm across) lie outside "
        "what the network was trained on "
        f"({_span(known_plane)} mm in plane, {_span(known_across)} mm across)."
    )


def strange_b_values(record: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Say which shells are unlike those seen in training.

    Parameters
    ----------
    record : mapping
        The run's metrics: ``shells``.
    model : mapping
        Content of the model card.

    Returns
    -------
    str
        Empty if there are none, or if the record does not say what was acquired.
    """
    shells = [float(b) for b in str(record.get("shells") or "").split(";") if _is_number(b)]
    trained = [float(b) for b in _list(model.get("b_values")) if _is_number(b)]
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
    """Say that the b0s are noisier, or less noisy, than those seen in training.

    Parameters
    ----------
    record : mapping
        The run's metrics: ``snr_b0``.
    model : mapping
        Content of the model card: ``snr_b0``, smallest and largest.

    Returns
    -------
    str
        Empty if they are not, or if either does not say.
    """
    snr, trained = record.get("snr_b0"), _list(model.get("snr_b0"))
    if not _is_number(snr) or len(trained) != 2 or not all(map(_is_number, trained)):
        return ""
    low, high = map(float, trained)
    if low <= float(str(snr)) <= high:
        return ""
    return (
        f"The b0s have a signal-to-noise ratio of {float(str(snr)):.1f}; the network was trained "
        f"on {low:.1f} to {high:.1f}."
    )


def zooms(text: Any) -> tuple[float, ...]:
    """Read ``2.00x2.00x3.00``; empty if it is something else.

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
        if len(_list(sizes)) == 3 and all(_is_number(mm) for mm in sizes)
    ]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _within(mm: float, known: Sequence[float]) -> bool:
    return (1 - _SIZE_TOLERANCE) * min(known) <= mm <= (1 + _SIZE_TOLERANCE) * max(known)


def _span(known: Sequence[float]) -> str:
    low, high = min(known), max(known)
    return f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
