"""Runs whose outputs would have the same names; none of them is processed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from attrs import evolve

from bids_sr.bids.dwi_run import DwiFiles, Problem
from bids_sr.bids.entities import output_entities
from bids_sr.bids.input_dataset import InputDataset
from bids_sr.bids.invalid_names import refuse


def without_clashes(runs: Sequence[DwiFiles]) -> list[DwiFiles]:
    """Refuse all runs that would share an output, a record or a page with another run.

    Upper and lower case count as the same: case-insensitive file systems would merge names that
    differ only in case, and BIDS forbids them.

    Parameters
    ----------
    runs : sequence of DwiFiles
        All runs of a call.

    Returns
    -------
    list of DwiFiles
        The same, in the same order.
    """
    sharing: dict[tuple[str, str], list[DwiFiles]] = defaultdict(list)
    for run in runs:
        if not run.refused:
            for claim in _claims(run):
                sharing[claim].append(run)
    rivals: dict[int, list[DwiFiles]] = {}
    for group in [*sharing.values(), *_confused_people(runs)]:
        for run in group:
            others = [other for other in group if other is not run]
            if others:
                rivals.setdefault(id(run), others)
    return [_refused(run, rivals[id(run)]) if id(run) in rivals else run for run in runs]


def _claims(run: DwiFiles) -> tuple[tuple[str, str], ...]:
    """Return what determines all names of a run's outputs (`bids_sr.bids.names.OutputNames`).

    The order of entities is not part of it: BIDS defines one, and output names move ``res``.
    """
    name = "_".join(sorted("-".join(pair) for pair in output_entities(run.entities).items()))
    return ("outputs", name.casefold()), ("record", run.label.casefold())


def _confused_people(runs: Iterable[DwiFiles]) -> list[list[DwiFiles]]:
    """Return the runs of participants whose labels differ only in case; they'd share a page."""
    people: dict[str, dict[str, list[DwiFiles]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        if not run.refused:
            people[run.subject.casefold()][run.subject].append(run)
    confused = [spellings for spellings in people.values() if len(spellings) > 1]
    return [[run for own in spellings.values() for run in own] for spellings in confused]


def _refused(run: DwiFiles, others: Sequence[DwiFiles]) -> DwiFiles:
    told = ", ".join(str(other.dwi) for other in others[:3]) + (", ..." if len(others) > 3 else "")
    problem = Problem(
        run.dwi,
        f"is not processed: its outputs would collide with those of {told}"
        " (upper and lower case count as the same).",
        "Keep one of them, give them labels that differ, or choose one with --bids-filter-file.",
        refused=True,
    )
    dataset = InputDataset(run.dataset_root, run.dataset_name, run.dataset_name != "raw")
    return evolve(run, name=refuse(run.dwi, dataset, problem).label, problem=problem)
