"""What the reader of a page should know about a run, and what nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bids_sr.report.glossary import PAIRS, SINGLE, is_known, shell_of
from bids_sr.report.tables import BY

NO_TRUTH = (
    "No scan of this head at the finer resolution is at hand. Detail beyond interpolation is what "
    "the network learned to expect from other scans; nothing on this page can prove it for "
    "this one."
)
"""Holds for every run."""

_SIZE_TOLERANCE = 0.05
_B_TOLERANCE = 0.2


def cautions(record: Mapping[str, Any], model: Mapping[str, Any]) -> list[str]:
    """Say in words what limits the use of this run's output.

    Parameters
    ----------
    record : mapping
        The run's figures.
    model : mapping
        Content of the model card; empty if it is not known.

    Returns
    -------
    list of str
        Most important first.
    """
    told = [
        _data_consistency(record),
        _voxel_size(record, model),
        _b_values(record, model),
        _bad_parts(record),
        _skipped(record),
        _notes(record),
        _missing(record),
    ]
    return [text for text in told if text]


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


def _data_consistency(record: Mapping[str, Any]) -> str:
    if record.get("data_consistency") is False:
        return (
            "K-space data consistency was switched off: the output does not have to agree with "
            "what the scanner measured. See the residual below."
        )
    return ""


def _voxel_size(record: Mapping[str, Any], model: Mapping[str, Any]) -> str:
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
    sides = BY.join(f"{mm:.2f}" for mm in in_plane)
    return (
        f"The acquired voxels ({sides} mm in plane, {across:.2f} mm across) lie outside "
        "what the network was trained on "
        f"({_span(known_plane)} mm in plane, {_span(known_across)} mm across)."
    )


def _b_values(record: Mapping[str, Any], model: Mapping[str, Any]) -> str:
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


def _bad_parts(record: Mapping[str, Any]) -> str:
    found = record.get("bad_lines")
    return f"Parts of the input look damaged: {found}." if is_known(found) else ""


def _skipped(record: Mapping[str, Any]) -> str:
    reasons = (record.get(key) for key in ("dti_skipped_reason", "gqi_skipped_reason"))
    return " ".join(str(reason) for reason in reasons if is_known(reason))


def _notes(record: Mapping[str, Any]) -> str:
    notes = record.get("notes")
    if isinstance(notes, list):
        notes = " ".join(str(note) for note in notes)
    return str(notes) if is_known(notes) else ""


def _missing(record: Mapping[str, Any]) -> str:
    lacking = []
    if not is_known(record.get("dti_skipped_reason")):
        lacking = [e.label for e, keys in PAIRS if not (e.optional or _all_known(record, keys))]
        lacking += [e.label for e in SINGLE if not (e.optional or is_known(record.get(e.key)))]
    if not any(shell_of(key) and is_known(value) for key, value in record.items()):
        lacking.append("the data-consistency residual")
    return f"Not known for this run: {'; '.join(lacking)}." if lacking else ""


def _all_known(record: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return all(is_known(record.get(key)) for key in keys)


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
