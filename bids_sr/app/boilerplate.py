"""The methods texts of all participants, without processing anything."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from bids_sr.app.environment import container
from bids_sr.app.settings import Settings
from bids_sr.bids.finding import find_dwi
from bids_sr.bids.output_dataset import write_dataset_files
from bids_sr.errors import InputError
from bids_sr.networks.registry import load_card
from bids_sr.report.methods import describe
from bids_sr.report.methods_files import write_methods
from bids_sr.report.planned import planned_record
from bids_sr.workflow.completeness import is_complete
from bids_sr.workflow.plan import RunOptions, RunPlan, make_plan

_log = logging.getLogger("bids_sr")


def run_boilerplate(settings: Settings) -> int:
    """Write the methods text of each participant as processing would.

    Complete runs are described from their records, others by what would be done. Only headers are
    read, no voxels or networks.

    Parameters
    ----------
    settings : Settings
        What was requested.

    Returns
    -------
    int
        Exit status: 0; 1 if the files of a run cannot be used.

    Raises
    ------
    BidsSrError
        If the dataset, the network or the output folder cannot be used at all.
    """
    options = RunOptions(card=load_card(settings.model, settings.factor), **settings.method())
    found = find_dwi(
        settings.bids_dir,
        participants=settings.participants,
        sessions=settings.sessions,
        filters=settings.filters,
        database_dir=settings.database_dir,
        derivatives=dict(settings.derivatives),
    )
    sources = {files.dataset_name: files.dataset_root for files in found}
    write_dataset_files(settings.output_dir, sources=sources, container=container())
    plans = [make_plan(files, settings.output_dir, options) for files in found]
    status = 0
    for subject, own in groupby(plans, key=lambda plan: plan.files.subject):
        status |= _write(subject, list(own))
    return status


def _write(subject: str, plans: list[RunPlan]) -> int:
    records, status = [], 0
    for plan in plans:
        try:
            records.append(_record(plan))
        except InputError as error:
            _log.error("%s: %s", plan.label, error)
            status = 1
    if not records:
        return status
    methods = describe(
        [record for record, _ in records],
        [plans[0].options.card.to_dict()],
        gqi=any(not record.get("gqi_skipped_reason") for record, _ in records),
        planned=sum(planned for _, planned in records),
    )
    stem = plans[0].names.figures_dir / f"sub-{subject}_desc-methods"
    for _, path in write_methods(stem, methods):
        _log.info("Written: %s", path)
    return status


def _record(plan: RunPlan) -> tuple[Mapping[str, Any], bool]:
    """Return the record of a run, and whether it is still to be processed."""
    if is_complete(plan):
        record: Mapping[str, Any] = json.loads(plan.names.quality.read_text(encoding="utf-8"))
        return record, False
    options = plan.options
    planned = planned_record(
        plan.files,
        options.card,
        options.settings,
        self_check=options.self_check != "off",
        slice_axis=options.slice_axis,
        given=options.input_matrix,
    )
    return planned, True
