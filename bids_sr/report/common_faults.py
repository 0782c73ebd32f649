"""Faults of gradient tables across runs: of single scans, or of a dataset's conversion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bids_sr.diffusion.axis_permutations import EXPECTED, edit_of
from bids_sr.quality.gradient_light import VERDICT, is_faulty

_NAMED = 10


def gradient_faults(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Describe which runs have a wrong gradient table, and whether they share the fault.

    Parameters
    ----------
    records : mapping of str to mapping
        Records of the finished runs, by name.

    Returns
    -------
    list of str
        Whole sentences, one for each fault; the most common first.
    """
    faulty = {key: str(record[VERDICT]) for key, record in records.items() if is_faulty(record)}
    fine = sum(record.get(VERDICT) == EXPECTED for record in records.values())
    decided = len(faulty) + fine
    return [
        _common(fault, count, decided, records, faulty)
        if 2 * count > decided and count > 1
        else _single(fault, [key for key in faulty if faulty[key] == fault])
        for fault, count in Counter(faulty.values()).most_common()
    ]


def _common(
    fault: str,
    count: int,
    decided: int,
    records: Mapping[str, Mapping[str, Any]],
    faulty: Mapping[str, str],
) -> str:
    fixed = all(
        records[key].get("gradients_fixed") is True for key in faulty if faulty[key] == fault
    )
    remedy = (
        "The output has corrected tables."
        if fixed
        else f"Fix the source ({edit_of(fault)} in every bvec file), or process all runs again "
        "with --gradient-check fix."
    )
    return (
        f"{count} of the {decided} runs whose gradient table could be judged have the same fault: "
        f"{fault}. A fault this common comes from the protocol or from the conversion of the "
        f"dataset, not from single scans. {remedy}"
    )


def _single(fault: str, keys: list[str]) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    whose = "the run's report" if len(keys) == 1 else "the reports of these runs"
    return f"Gradient table {fault}: {', '.join(keys[:_NAMED])}{more}. See {whose}."
