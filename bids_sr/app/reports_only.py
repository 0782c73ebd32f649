"""Rewriting pages and logging the runs' quality from records; nothing is computed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bids_sr.app.settings import Settings
from bids_sr.bids.names import is_label
from bids_sr.bids.older_outputs import warn_of_older
from bids_sr.errors import UsageError
from bids_sr.report.participant import write_participant_page
from bids_sr.report.records import read_failures, read_runs

_log = logging.getLogger("bids_sr")


def run_reports(settings: Settings) -> int:
    """Write the participant pages from records and pictures in the output folder.

    Neither the input nor images nor networks are read.

    Parameters
    ----------
    settings : Settings
        Its output folder and participants.

    Returns
    -------
    int
        Exit status: 0; 1 with ``--fail-on-qc`` if a run's quality is ``fail``.

    Raises
    ------
    UsageError
        If there are no records of a requested participant, or none at all.
    OutputError
        If a page cannot be written.
    """
    out_dir = settings.output_dir
    runs, unreadable = read_runs(out_dir)
    failed = [*unreadable, *read_failures(out_dir, runs)]
    known = {run.subject for run in runs} | {run.subject for run in failed}
    known = {subject for subject in known if is_label(subject)}
    wanted = set(settings.participants) or known
    if not known or not wanted <= known:
        missing = ", ".join(f"sub-{label}" for label in sorted(wanted - known)) or "anybody"
        raise UsageError(
            f"there are no records of runs of {missing} in it.",
            file=out_dir,
            remedy="Run without --reports-only first, with the same output folder.",
        )
    warn_of_older(out_dir, wanted)
    for subject in sorted(wanted):
        page = write_participant_page(out_dir, subject)
        _log.info("sub-%s: report in %s", subject, page)
    if not settings.fail_on_qc:
        return 0
    return tell_quality(run.path for run in runs if run.subject in wanted)


def tell_quality(records: Iterable[Path]) -> int:
    """Log the runs whose quality is ``fail``, and why.

    Parameters
    ----------
    records : iterable of pathlib.Path
        Records of runs; missing ones belong to runs that failed, which are logged elsewhere.

    Returns
    -------
    int
        Exit status: 1 if there are any, else 0.
    """
    bad = 0
    for path in records:
        record = _read(path)
        if record.get("qc_status") == "fail":
            bad += 1
            label = record.get("run") or path.name
            _log.error("quality: %s: fail (%s)", label, record.get("qc_reasons"))
    return 1 if bad else 0


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
