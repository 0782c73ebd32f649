"""What a finished run leaves, and whether it is all there."""

from __future__ import annotations

import json
from pathlib import Path

from bids_sr.bids.dwi_run import open_run
from bids_sr.bids.gradients import GradientTable
from bids_sr.bids.names import GQI_PARAMS, TENSOR_PARAMS
from bids_sr.bids.sidecars import FINGERPRINT
from bids_sr.diffusion.selection import dti_volumes, gqi_volumes
from bids_sr.errors import BidsSrError
from bids_sr.workflow.manifest import manifest_faults, write_manifest
from bids_sr.workflow.plan import RunPlan

MANIFEST = "manifest"
"""Label of ``desc`` for the list of what the run left."""

_CHECKS = ("off", "auto", "full")
"""How much of a scan a self-check looks at, least first."""


def expected_outputs(plan: RunPlan) -> list[Path]:
    """Return every file that the run leaves, the participant's page aside.

    Parameters
    ----------
    plan : RunPlan
        Its gradient table decides which maps there are.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    InputError
        If the run's files cannot be used.
    """
    return outputs_of(plan, open_run(plan.files).gradients)


def outputs_of(plan: RunPlan, gradients: GradientTable) -> list[Path]:
    """Return every file that the run leaves, as `expected_outputs`, without opening it again."""
    tensor = () if dti_volumes(gradients).reason else TENSOR_PARAMS
    gqi = () if gqi_volumes(gradients).reason else GQI_PARAMS
    files = plan.names.expected(
        tensor=tensor, gqi=gqi, input_tensor=tensor, ensemble_sd=plan.choices.uncertainty
    )
    return [
        *files,
        *(plan.names.report_file(desc, "json") for desc in ("curves", "index", MANIFEST)),
    ]


def manifest_of(plan: RunPlan) -> Path:
    """Return the path of the run's manifest."""
    return plan.names.report_file(MANIFEST, "json")


def write_run_manifest(plan: RunPlan) -> None:
    """Write down what the run left, pictures included; what is missing is left out."""
    path = manifest_of(plan)
    pictures = path.parent.glob(path.name.replace(f"_desc-{MANIFEST}_dwi.json", "_desc-*"))
    files = {*expected_outputs(plan), *pictures} - {path}
    write_manifest(
        path, plan.names.out_dir, (file for file in files if file.is_file()), plan.fingerprint
    )


def output_faults(plan: RunPlan) -> list[str]:
    """Tell what is missing or not as it was written.

    Parameters
    ----------
    plan : RunPlan

    Returns
    -------
    list of str
        A file's name and what is wrong with it, each; empty if all is there.

    Raises
    ------
    InputError
        If the run's files cannot be used.
    """
    missing = [path.name for path in expected_outputs(plan) if not _is_there(path)]
    if missing:
        return [f"{name} is missing" for name in missing]
    return manifest_faults(manifest_of(plan), plan.names.out_dir, plan.fingerprint)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:  # an unreadable folder, say
        return False


def is_complete(plan: RunPlan) -> bool:
    """Tell whether the run was finished before, with the same input and settings.

    A self-check that looked at more than is asked for now will do.
    """
    try:
        sidecar = json.loads(plan.names.dwi_json.read_text(encoding="utf-8"))
        if sidecar.get(FINGERPRINT) != plan.fingerprint or output_faults(plan):
            return False
        return _is_checked(plan)
    except (OSError, ValueError, AttributeError, BidsSrError):
        return False


def _is_checked(plan: RunPlan) -> bool:
    record = json.loads(plan.names.quality.read_text(encoding="utf-8"))
    asked = _CHECKS.index(plan.choices.self_check)
    return record.get("selfcheck_mode") in _CHECKS[asked:]
