"""Reporting failed runs: one line for the user, a record, a crash file."""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from attrs import asdict, frozen

from bids_sr.bids.atomic import write_json, write_text
from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.uris import bids_uri
from bids_sr.errors import OutputError, readable
from bids_sr.resources import read_version
from bids_sr.system_errors import described
from bids_sr.workflow.plan import RunPlan

_log = logging.getLogger("bids_sr")


@frozen
class Failure:
    """Why a run failed."""

    run: str
    """Label of the run."""
    step: str
    """Step in which it failed."""
    message: str
    """One line."""
    crash_file: str | None = None
    """File with the details, relative to the output folder."""
    source: str | None = None
    """``bids:`` URI of the image."""


def record_failure(plan: RunPlan, step: str, error: BaseException) -> Failure:
    """Log the error, and write a record and a crash file into the log folder.

    Parameters
    ----------
    plan : RunPlan
        The run that failed.
    step : str
        Name of the step.
    error : BaseException
        What was raised; its message is for users if it is a `BidsSrError`.

    Returns
    -------
    Failure
    """
    message = " ".join(describe(error).split())
    crash_file = _write_crash_file(plan, step, error)
    failure = Failure(plan.label, step, message, crash_file, bids_uri(plan.files, plan.files.dwi))
    details = f" (details: {failure.crash_file})" if failure.crash_file else ""
    _log.error("%s: %s%s", plan.label, message, details)
    try:
        write_json(plan.names.error, asdict(failure))
    except OutputError as second:
        _log.error("%s: %s", plan.label, second)
    return failure


def read_failure(plan: RunPlan) -> Failure | None:
    """Return the record of a failed run, if there is one."""
    try:
        return Failure(**json.loads(plan.names.error.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return Failure(plan.label, "", "The record of the failure cannot be read.")


def forget_gone(out_dir: Path, found: Sequence[DwiFiles]) -> None:
    """Remove records of refused images that were renamed or moved, or are processed now.

    Their labels are made of paths, so that no run with another name would remove them.

    Parameters
    ----------
    out_dir : pathlib.Path
        Derivative dataset.
    found : sequence of DwiFiles
        All runs of the call.
    """
    roots = {files.dataset_name: files.dataset_root for files in found}
    processed = {bids_uri(files, files.dwi) for files in found if not files.refused}
    for path in (out_dir / "logs").glob("sub-*,*_error.json"):
        try:
            source = str(json.loads(path.read_text(encoding="utf-8"))["source"])
            _, name, inside = source.split(":", 2)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        gone = name in roots and not os.path.lexists(roots[name] / inside)
        # a folder that could not be listed, and now can
        opened = any(uri.startswith(f"{source}/") for uri in processed)
        if gone or opened or source in processed:
            path.unlink(missing_ok=True)


def describe(error: BaseException) -> str:
    """Return the message of an exception for the user."""
    known = described(error)
    if known is not None:
        return str(known)
    first = str(error).strip().split("\n")[0]  # nipype puts tracebacks into messages
    return f"unexpected {type(error).__name__}: {first}"


def cause_of(error: BaseException) -> BaseException:
    """Return the cause of an exception, if the user can do something about it."""
    cause: BaseException | None = error
    while cause is not None and described(cause) is None:
        cause = cause.__cause__ or cause.__context__
    return cause or error


def _write_crash_file(plan: RunPlan, step: str, error: BaseException) -> str | None:
    now = datetime.now()
    name = f"crash-{now:%Y%m%d-%H%M%S-%f}_{plan.label}_{step}.txt"
    path = plan.names.error.with_name(name)
    lines = [
        f"bids_sr {read_version()}, Python {platform.python_version()} on {platform.platform()}",
        f"{now:%Y-%m-%d %H:%M:%S}, run {plan.label}, step {step}",
        f"command: {' '.join(sys.argv)}",
        f"input: {readable(plan.files.dwi)}",
        f"options: {plan.options}",
        "",
        *traceback.format_exception(error),
    ]
    try:
        write_text(path, "\n".join(lines))
    except OutputError:
        return None
    return str(Path(path).relative_to(plan.names.out_dir))
