"""The runs found in an output folder: finished, failed, unreadable."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from bids_sr.bids.invalid_names import subject_of
from bids_sr.report.index import PictureIndex, read_index

_QUALITY = "_desc-sr_quality.json"
_ERROR = "_error.json"


@frozen
class FinishedRun:
    """A run with a quality record."""

    key: str
    """File name up to ``_desc-sr``: ``sub-01_acq-AP_res-x2``; unique in a dataset."""
    path: Path
    """The record's file."""
    values: Mapping[str, Any]
    """The record."""
    out_dir: Path
    """Top folder of the derivative dataset."""

    @property
    def label(self) -> str:
        """The source's name from the record, else the key."""
        return str(self.values.get("run") or self.key)

    @property
    def subject(self) -> str:
        """Participant label without ``sub-``."""
        return self.key.split("_")[0].removeprefix("sub-")

    @property
    def index(self) -> Path:
        """List of the run's pictures."""
        return self.figures_dir / f"{self.key}_desc-index_dwi.json"

    @property
    def curves(self) -> Path:
        """The run's curves, for the charts."""
        return self.figures_dir / f"{self.key}_desc-curves_dwi.json"

    @property
    def figures_dir(self) -> Path:
        """Folder of the participant's pictures."""
        return self.out_dir / f"sub-{self.subject}" / "figures"

    def pictures(self) -> PictureIndex:
        """Read the list of pictures."""
        return read_index(self.index)

    def has_gqi(self) -> bool:
        """Return whether GQI was done."""
        return not self.values.get("gqi_skipped_reason")


@frozen
class FailedRun:
    """A run that ended with an error."""

    label: str
    """The source's name."""
    message: str
    """What went wrong and what to do."""
    crash_file: str = ""
    """Details for developers, if any."""

    @property
    def subject(self) -> str:
        """Participant label without ``sub-``."""
        return subject_of(self.label)


def read_runs(out_dir: Path, subject: str = "*") -> tuple[list[FinishedRun], list[FailedRun]]:
    """Read the records of one participant or all.

    Parameters
    ----------
    out_dir : pathlib.Path
    subject : str
        Label without ``sub-``; by default all.

    Returns
    -------
    runs : list of FinishedRun
        Sorted by name.
    unreadable : list of FailedRun
        Records that are damaged.
    """
    runs, unreadable = [], []
    # a leading sub-: a name that starts with a dot is that of a file still being written
    patterns = (f"sub-{subject}/dwi/sub-*{_QUALITY}", f"sub-{subject}/ses-*/dwi/sub-*{_QUALITY}")
    for path in sorted(path for pattern in patterns for path in out_dir.glob(pattern)):
        key = path.name.removesuffix(_QUALITY)
        try:
            values = _read_mapping(path)
        except FileNotFoundError:
            continue  # another call removes a record before it repeats the run
        if values is None:
            problem = f"{path}: not a readable quality record. Run this participant again."
            unreadable.append(FailedRun(key, problem))
        else:
            runs.append(FinishedRun(key, path, values, out_dir))
    return runs, unreadable


def read_failures(
    out_dir: Path,
    runs: Sequence[FinishedRun],
    subject: str = "*",
    errors: Iterable[Mapping[str, Any]] = (),
) -> list[FailedRun]:
    """Collect the failed runs of one participant or all.

    Parameters
    ----------
    out_dir : pathlib.Path
        Failures are recorded in its ``logs`` folder. One that is older than the
        run's record is out of date and left out.
    runs : sequence of FinishedRun
        The finished ones.
    subject : str
        Label without ``sub-``; by default all.
    errors : iterable of mapping
        Further failures, with ``run``, ``message`` and ``crash_file``.

    Returns
    -------
    list of FailedRun
        Sorted by name, one for each run.
    """
    failures = {failure.label: failure for failure in map(_failure, errors)}
    finished = {run.label: _time(run.path) for run in runs}
    for path in sorted((out_dir / "logs").glob(f"sub-*{_ERROR}")):
        label = path.name.removesuffix(_ERROR)
        if subject not in ("*", subject_of(label)):
            continue
        if _time(path) < finished.get(label, 0):
            continue
        try:
            content = _read_mapping(path) or {}
        except FileNotFoundError:
            continue  # has succeeded since
        failures.setdefault(label, _failure({**content, "run": label}))
    return sorted(failures.values(), key=lambda failure: failure.label)


def _failure(error: Mapping[str, Any]) -> FailedRun:
    return FailedRun(
        str(error.get("run") or "unknown run"),
        str(error.get("message") or "No message was recorded."),
        str(error.get("crash_file") or ""),
    )


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # removed in the meantime


def _whole(digits: str) -> int | None:
    number = int(digits)
    return number if abs(number) <= sys.float_info.max else None  # beyond the range of a float


def _read_mapping(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None if the file holds none; raise if it is missing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        # a lone surrogate ("\ud800") is valid JSON, but cannot be encoded
        text = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        content = json.loads(text, parse_int=_whole)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
