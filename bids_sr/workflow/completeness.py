"""Completeness of steps, runs and pages, decided here for all callers.

A run is complete if its input is unchanged since it was planned, its outputs match the manifest,
the sidecar of its series has the right fingerprint, and its self-check has the required extent. A
step is judged by nipype's result and the files that the step wrote; a page by its last tag and its
methods texts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from bids_sr.bids.json_file import read_json
from bids_sr.bids.names import is_label, participant_page
from bids_sr.bids.sidecars import FINGERPRINT
from bids_sr.errors import BidsSrError
from bids_sr.workflow.manifest import manifest_faults
from bids_sr.workflow.outputs import (
    PAGE_FINGERPRINT,
    expected_outputs,
    manifest_of,
    page_manifest,
)
from bids_sr.workflow.plan import RunPlan, fingerprint

DONE, TODO, AGAIN = "done", "to do", "again"
"""States of a run; again: outputs exist, from other settings or another input."""

_CHECKS = ("off", "auto", "full")
"""Extents of a self-check, smallest first."""

_LAST = 64
"""Bytes at the end of a page in which its last tag is searched."""

Stamp = tuple[str, int, int]
"""Path, size and modification time (ns) of a file that a step wrote."""


@frozen
class RunFaults:
    """Why a run is not complete; empty if it is."""

    input_changed: bool = False
    """Whether a file of the input has changed since the run was planned."""
    outputs: tuple[str, ...] = ()
    """Names of outputs, and what is wrong with each: missing, damaged, of another run."""
    self_check: str = ""
    """What is missing if the self-check covered less of the scan than requested."""

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return self.input_changed or bool(self.outputs) or bool(self.self_check)


def run_faults(plan: RunPlan) -> RunFaults:
    """Return everything that makes a run incomplete.

    Parameters
    ----------
    plan : RunPlan

    Returns
    -------
    RunFaults

    Raises
    ------
    InputError
        If the run's files cannot be used.
    """
    if input_changed(plan):
        return RunFaults(input_changed=True)
    missing = [path.name for path in expected_outputs(plan) if not _is_there(path)]
    if missing:
        return RunFaults(outputs=tuple(f"{name} is missing" for name in missing))
    faults = manifest_faults(manifest_of(plan), plan.names.out_dir, plan.fingerprint)
    if not faults and not _has_fingerprint(plan):
        faults = [f"{plan.names.dwi_json.name} is of another run"]
    if faults:
        return RunFaults(outputs=tuple(faults))
    return RunFaults(self_check=_self_check_fault(plan))


def is_complete(plan: RunPlan) -> bool:
    """Return whether a run was finished before, with the same input and settings.

    A self-check of a larger extent than now requested is sufficient.
    """
    if not _has_fingerprint(plan):  # this cheap test finds nearly all incomplete runs
        return False
    try:
        return not run_faults(plan)
    except BidsSrError:
        return False


def run_state(plan: RunPlan) -> str:
    """Return `DONE`, `AGAIN` or `TODO`."""
    if is_complete(plan):
        return DONE
    return AGAIN if plan.names.dwi.exists() else TODO


def input_changed(plan: RunPlan) -> bool:
    """Return whether the input has changed since the run was planned."""
    return fingerprint(plan.files, plan.options) != plan.fingerprint


def completion_marks(plan: RunPlan) -> tuple[Path, ...]:
    """Return the files that mark a run as finished.

    They are removed before a run starts and written last, so that they never refer to files of
    another call: quality record, list of pictures, manifest.
    """
    return (plan.names.quality, plan.names.report_file("index", "json"), manifest_of(plan))


def has_ended(plan: RunPlan) -> bool:
    """Return whether the last step of a run has ended, even if outputs changed later."""
    return manifest_of(plan).exists()


def step_is_done(folder: Path, name: str, state: str) -> bool:
    """Return whether a step's result from an earlier call is still valid.

    nipype compares a step's inputs with those of the last call. It does not check what the step
    wrote: in the output folder that may have been removed or replaced by another call.

    Parameters
    ----------
    folder : pathlib.Path
        The node's folder.
    name : str
        The node's name.
    state : str
        The state that the result must have been made for.

    Returns
    -------
    bool
    """
    from bids_sr.workflow.engine import loadpkl

    saved = folder / f"result_{name}.pklz"
    if not saved.is_file():  # nipype would wait for it
        return False
    try:
        result = loadpkl(saved)
        made_for = result.inputs["state"]
        stamps = result.outputs.stamps
    except Exception:  # truncated, or from another version: not usable
        return False
    if made_for != state or not isinstance(stamps, list):
        return False
    return all(old is None or stamp(Path(old[0])) == old for old in stamps)


def stamp(path: Path) -> Stamp | None:
    """Return what identifies a version of a file; None if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_size, found.st_mtime_ns


def page_faults(out_dir: Path, subject: str) -> list[str]:
    """Return the faults of a participant's page and its methods texts.

    Parameters
    ----------
    out_dir : pathlib.Path
        Derivative dataset.
    subject : str
        Label without ``sub-``.

    Returns
    -------
    list of str
        A file's name and its fault, each; empty if there are none.
    """
    if not is_label(subject):
        return []
    page = participant_page(out_dir, subject)
    faults = [] if page_is_whole(page) else [f"{page.name} is missing or damaged"]
    return faults + manifest_faults(page_manifest(out_dir, subject), out_dir, PAGE_FINGERPRINT)


def page_is_whole(path: Path) -> bool:
    """Return whether a page exists and is complete up to its last tag."""
    try:
        with path.open("rb") as stream:
            stream.seek(-min(_LAST, path.stat().st_size), os.SEEK_END)
            return stream.read().rstrip().endswith(b"</html>")
    except OSError:
        return False


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:  # such as an unreadable folder
        return False


def _has_fingerprint(plan: RunPlan) -> bool:
    return _mapping(plan.names.dwi_json).get(FINGERPRINT) == plan.fingerprint


def _self_check_fault(plan: RunPlan) -> str:
    found, asked = _mapping(plan.names.quality).get("selfcheck_mode"), plan.options.self_check
    if found in _CHECKS[_CHECKS.index(asked) :]:
        return ""
    return f"{plan.names.quality.name} holds a self-check of extent {found}, not {asked}"


def _mapping(path: Path) -> Mapping[str, Any]:
    """Return a JSON object; empty if it cannot be read."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
