"""A participant's page: pictures, metrics and methods of all runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bids_sr.bids.names import participant_page
from bids_sr.quality.metric_spec import GRIDS
from bids_sr.quality.verdict import quality_lights
from bids_sr.report.cautions import NO_TRUTH
from bids_sr.report.charts import agreement_charts, charts, grid_charts
from bids_sr.report.curves import read_curves
from bids_sr.report.gradient_views import GradientView, gradient_view
from bids_sr.report.index import GRADIENT_TABLE, OVERVIEW, Picture, PictureIndex
from bids_sr.report.methods import NOTICE, describe
from bids_sr.report.methods_files import write_methods
from bids_sr.report.niivue import restore_viewer
from bids_sr.report.pages import slug, write_page
from bids_sr.report.records import FinishedRun, read_failures, read_runs
from bids_sr.report.summary import COLUMNS, summary
from bids_sr.report.tables import (
    facts_line,
    group_rows,
    model_grids,
    model_rows,
    other_rows,
    processing_rows,
    scan_rows,
    shell_metrics,
    shell_rows,
    version_rows,
)


def write_participant_page(
    out_dir: Path, subject: str, *, errors: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Write ``sub-<subject>.html`` from what lies in the output folder.

    Neither images nor networks are read, so the page can be rewritten at any time.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top folder of the derivative dataset.
    subject : str
        Label without ``sub-``.
    errors : sequence of mapping
        Runs that failed, with ``run``, ``message`` and ``crash_file``, in
        addition to those found in the ``logs`` folder.

    Returns
    -------
    pathlib.Path
        The page. The methods are written next to the pictures, as Markdown, HTML and BibTeX.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    runs, unreadable = read_runs(out_dir, subject)
    failed = [*unreadable, *read_failures(out_dir, runs, subject, errors)]
    indexes = [run.pictures() for run in runs]
    methods = describe(
        [run.values for run in runs],
        _distinct_models(indexes),
        gqi=any(run.has_gqi() for run in runs),
    )
    restore_viewer(out_dir, map(_threed_page, runs))
    folder = f"sub-{subject}/figures"
    methods_files = (
        write_methods(out_dir / folder / f"sub-{subject}_desc-methods", methods) if runs else ()
    )
    return write_page(
        participant_page(out_dir, subject),
        "participant.html",
        styles=("style.css", "charts.css"),
        scripts=("viewer.js", "charts.js"),
        subject=subject,
        runs=[_run(run, index) for run, index in zip(runs, indexes, strict=True)],
        failed=failed,
        folder=folder,
        source=quote(folder),
        has_group=(out_dir / "group_dwi.html").is_file(),
        no_truth=NO_TRUTH,
        checked_methods=COLUMNS,
        methods=methods,
        methods_notice=NOTICE,
        methods_files=[(kind, quote(f"{folder}/{path.name}")) for kind, path in methods_files],
    )


def _run(run: FinishedRun, index: PictureIndex) -> dict[str, Any]:
    record = run.values
    identity = slug(run.key)
    first = [picture for picture in index.pictures if picture.section == OVERVIEW]
    together = linked([picture for picture in index.pictures if picture not in first])
    shown = (*first, *together)
    faults, alone = (
        [p for p in index.pictures if p not in shown and (p.section == GRADIENT_TABLE) is wanted]
        for wanted in (True, False)
    )
    curves = read_curves(run.curves)
    groups = group_rows(record)
    return {
        "id": identity,
        "title": run.key.replace("_", " "),
        "scan": scan_rows(record),
        "processing": processing_rows(record),
        "facts": facts_line(record),
        "lost": index.lost,
        "summary": summary(record, quality_lights(record, index.model)),
        "side_by_side": first,
        "faults": faults,
        "gradients": _gradients(run),
        "agreement": agreement_charts(curves),
        "charts": charts(curves),
        "grid_charts": grid_charts(curves),
        "threed": _threed(run),
        "linked": together,
        "sections": _sections(identity, alone),
        "groups": [group for group in groups if group.title != GRIDS],
        "grid_groups": [group for group in groups if group.title == GRIDS],
        "shells": shell_rows(record),
        "shell_metrics": shell_metrics(record),
        "other": other_rows(record),
        "model": model_rows(index.model),
        "grids": model_grids(index.model),
        "versions": version_rows(record),
        "record": json.dumps(record, indent=2),
        "record_name": run.path.name,
    }


def _gradients(run: FinishedRun) -> GradientView | None:
    count = run.values.get("n_volumes")
    if not isinstance(count, int):
        return None
    bval, bvec = (run.path.with_name(f"{run.key}_desc-sr_dwi.{kind}") for kind in ("bval", "bvec"))
    return gradient_view(bval, bvec, count)


def _threed(run: FinishedRun) -> str:
    """Return the address of the run's 3D page; empty if there is none."""
    path = _threed_page(run)
    return quote(path.relative_to(run.out_dir).as_posix()) if path.is_file() else ""


def _threed_page(run: FinishedRun) -> Path:
    return run.figures_dir / f"{run.key}_desc-3d_dwi.html"


def linked(pictures: Sequence[Picture]) -> list[Picture]:
    """Return the pictures of the linked viewer: those with a tab and the same geometry.

    A single one needs no tabs: then there is no linked viewer.
    """
    tabs = [picture for picture in pictures if picture.tab]
    same = [p for p in tabs if (p.width, p.height) == (tabs[0].width, tabs[0].height)]
    return same if len(same) > 1 else []


def _sections(identity: str, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    return [
        {"id": f"{identity}-pictures-{number}", "title": title, "pictures": list(group)}
        for number, (title, group) in enumerate(groupby(pictures, lambda p: p.section))
    ]


def _distinct_models(indexes: Sequence[PictureIndex]) -> list[Mapping[str, Any]]:
    models: dict[str, Mapping[str, Any]] = {}
    for index in indexes:
        if index.model:
            models.setdefault(str(index.model.get("sha256")), index.model)
    return list(models.values())
