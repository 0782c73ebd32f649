"""The group level: one table and one page of all runs, from their records alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import frozen

from bids_sr.bids.atomic import write_json, write_text
from bids_sr.bids.names import participant_page
from bids_sr.bids.ownership import check_page
from bids_sr.diffusion.axis_permutations import EXPECTED
from bids_sr.diffusion.gradient_check import NOT_CHECKED, NOT_DECIDED
from bids_sr.errors import UsageError
from bids_sr.quality import registry
from bids_sr.quality.registry import derived
from bids_sr.report.columns import as_data, page_columns, table_columns, table_text
from bids_sr.report.common_faults import gradient_faults
from bids_sr.report.dictionary import NAME, sidecar
from bids_sr.report.distributions import metric_plots
from bids_sr.report.outliers import MIN_RUNS
from bids_sr.report.pages import slug, write_page
from bids_sr.report.records import FailedRun, FinishedRun, read_failures, read_runs
from bids_sr.report.roster import Roster, begun, missing_files, roster
from bids_sr.report.standing_out import standing_out
from bids_sr.report.strips import WIDTH, plots
from bids_sr.report.study_summary import study_answers
from bids_sr.report.wording import counted

_NAMED = 12
"""Outliers of a metric that are drawn apart and named; the others are counted."""
_TOLD = 100
"""Failures whose message is on the page; all are in the table."""
_LONGEST = 2000
"""Characters of a failure's message on the page."""
_SHOWN_APART, _MOST_APART = 12, 100
"""Runs that stand out: in sight, and on the page."""
_MARKS = ("scale_factor", "qc_status", "seconds_superres")
"""Columns of which every table with runs in it has one."""
_SCRIPTS = ("group.js", "group-table.js", "group-plots.js")


@frozen
class GroupRow:
    """A run of the page: finished or not."""

    key: str
    """Its name; of a failed run that of the source."""
    subject: str
    """Participant label without ``sub-``."""
    state: str
    """``finished``, ``incomplete``, ``not finished``, ``damaged record`` or ``failed``."""
    values: Mapping[str, Any]
    """Record with what is made of it; empty if there is none."""
    problem: str = ""
    """Why it is not finished."""

    def shown(self) -> dict[str, Any]:
        """Return what the table shows: the reason of a run that is not finished is its problem."""
        reasons = [self.problem, str(self.values.get("qc_reasons") or "")]
        return {
            **self.values,
            "state": self.state,
            "qc_reasons": "; ".join(filter(None, reasons)) or None,
        }


def write_group(out_dir: Path, datasets: Iterable[Path] = ()) -> tuple[Path, Path]:
    """Write ``group_dwi.tsv``, its data dictionary ``group_dwi.json``, and ``group_dwi.html``.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top folder of the derivative dataset.
    datasets : iterable of pathlib.Path
        Input datasets, beside those that the output's description names: whoever
        is in them and has no output is told on the page.

    Returns
    -------
    tuple of pathlib.Path
        Table and page.

    Raises
    ------
    UsageError
        If no run has been finished and none has failed, or a file of one of these names is
        another program's (MRIQC's have the same names).
    OutputError
        If they cannot be written.
    """
    runs, unreadable = read_runs(out_dir)
    failed = read_failures(out_dir, runs)
    if not runs and not failed and not unreadable:
        raise UsageError(
            "there are no records of super-resolved runs (*_desc-sr_quality.json) in it.",
            file=out_dir,
            remedy="Run the participant level first, with the same output folder.",
        )
    records = [run.values for run in runs]
    table = out_dir / "group_dwi.tsv"
    _check_table(table)
    check_page(table.with_suffix(".html"))
    write_json(table.with_suffix(".json"), sidecar(table_columns(records)))
    write_text(table, table_text([run.key for run in runs], records))
    lost = [*unreadable, *failed]
    started = begun(out_dir, {run.key for run in runs} | {run.label for run in lost})
    told = {run.subject for run in runs} | {run.subject for run in lost}
    told |= {_subject(key) for key in started}
    gone = {run.key: missing for run in runs if (missing := missing_files(run))}
    rows = [
        *(_row(run, gone.get(run.key, ())) for run in runs),
        *(_lost(run, "damaged record") for run in unreadable),
        *(_lost(run, "failed") for run in failed),
        *(GroupRow(key, _subject(key), "not finished", {}, "not finished") for key in started),
    ]
    absent = roster(out_dir, told, datasets)
    alone = _idle(out_dir, told | set(absent.without_output) | set(absent.without_dwi))
    return table, _page(out_dir, rows, lost, absent, alone, gone)


def _check_table(path: Path) -> None:
    """Refuse to write where another program's table or data dictionary is: by its columns."""
    for file in (path, path.with_suffix(".json")):
        columns = _columns(file)
        if not columns <= {"", NAME} and columns.isdisjoint(_MARKS):
            raise UsageError(
                f"was not written by bids_sr: it has none of the columns {', '.join(_MARKS)}.",
                file=file,
                remedy="Choose another output folder, or move it away.",
            )


def _columns(path: Path) -> set[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return set(json.loads(text) if path.suffix == ".json" else text.split("\n")[0].split("\t"))
    except (OSError, ValueError, TypeError):
        return set()


def _row(run: FinishedRun, missing: Sequence[str]) -> GroupRow:
    values = {**run.values, **derived(run.values)}
    if not missing:
        return GroupRow(run.key, run.subject, "finished", values)
    problem = f"incomplete: {counted(len(missing), 'file')} missing"
    return GroupRow(run.key, run.subject, "incomplete", values, problem)


def _lost(run: FailedRun, state: str) -> GroupRow:
    return GroupRow(run.label, run.subject, state, {}, f"{state}: {_without_path(run.message)}")


def _without_path(message: str) -> str:
    """Return a message without the file that it is about, which would fill its cell."""
    file, _, rest = message.partition(": ")
    return rest if rest and Path(file).is_absolute() else message


def _subject(key: str) -> str:
    return key.split("_")[0].removeprefix("sub-")


def _idle(out_dir: Path, told: set[str]) -> list[str]:
    """Return the participants who have a folder here and of whom nothing else is said."""
    folders = {path.name.removeprefix("sub-") for path in out_dir.glob("sub-*") if path.is_dir()}
    return sorted(folders - told)


def _page(
    out_dir: Path,
    rows: Sequence[GroupRow],
    failed: Sequence[FailedRun],
    absent: Roster,
    idle: Sequence[str],
    gone: Mapping[str, Sequence[str]],
) -> Path:
    records = [row.values for row in rows]
    laid = plots(metric_plots(records), records)
    apart = standing_out(laid, records)
    pages = {subject: _link(out_dir, subject) for subject in {row.subject for row in rows}}
    links = [_anchor(pages[row.subject], row) for row in rows]
    tones = _tones()
    columns = page_columns([row.shown() for row in rows])
    finished = [row for row in rows if row.state in ("finished", "incomplete")]
    return write_page(
        out_dir / "group_dwi.html",
        "group.html",
        styles=("style.css", "group.css"),
        scripts=_SCRIPTS,
        data={
            "runs": [row.key for row in rows],
            "links": links,
            "columns": [as_data(column) for column in columns],
            "tones": tones,
        },
        tones=tones,
        keys=[row.key for row in rows],
        links=links,
        n_rows=len(rows),
        n_runs=len(finished),
        n_subjects=len({row.subject for row in finished}),
        n_failed=len(failed),
        failed=[_failure(run, pages[run.subject]) for run in failed[:_TOLD]],
        incomplete={key: list(names) for key, names in list(gone.items())[:_TOLD]},
        n_incomplete=len(gone),
        gradient_faults=gradient_faults({row.key: row.values for row in finished}),
        begun=[row.key for row in rows if row.state == "not finished"],
        absent=absent,
        idle=idle,
        families=[(title, list(group)) for title, group in groupby(laid, lambda p: p.family)],
        answers=study_answers([row.values for row in finished]),
        standing_out=apart[:_MOST_APART],
        n_apart=len(apart),
        n_shown=_SHOWN_APART,
        named=_NAMED,
        min_runs=MIN_RUNS,
        width=WIDTH,
    )


def _failure(run: FailedRun, page: str) -> dict[str, str]:
    message = run.message
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]}\N{HORIZONTAL ELLIPSIS}"
    return {"label": run.label, "message": message, "crash_file": run.crash_file, "page": page}


def _tones() -> dict[str, str]:
    """Return the colour of each word that is one of a few."""
    tones = {"finished": "good", "incomplete": "doubtful", "not finished": "doubtful"}
    tones |= {"failed": "bad", "damaged record": "bad"}
    of_levels = {"pass": "good", "warn": "doubtful", "fail": "bad"}
    of_levels |= {"helped": "good", "no gain": "doubtful", "harmed": "bad"}
    tables = registry.lookup("gradients_verdict").levels
    of_levels |= dict.fromkeys(tables, "bad") | {EXPECTED: "good"}
    of_levels |= {NOT_DECIDED: "", NOT_CHECKED: ""}
    words = {word for spec in registry.METRICS for word in spec.levels}
    return tones | {word: tone for word, tone in of_levels.items() if tone and word in words}


def _anchor(page: str, row: GroupRow) -> str:
    has_part = row.state in ("finished", "incomplete")
    return f"{page}#{quote(slug(row.key))}" if page and has_part else page


def _link(out_dir: Path, subject: str) -> str:
    """Return the address of a participant's page, empty if it has not been written."""
    page = participant_page(out_dir, subject)
    return quote(page.name) if page.is_file() else ""
