"""The output files of finished runs and pages, and their manifests."""

from __future__ import annotations

from pathlib import Path

from bids_sr.bids.gradients import GradientTable
from bids_sr.bids.names import GQI_PARAMS, TENSOR_PARAMS
from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes
from bids_sr.images.runs import open_run
from bids_sr.workflow.manifest import write_manifest
from bids_sr.workflow.plan import RunPlan

MANIFEST = "manifest"
"""Label of ``desc`` for the manifest of a run."""

PAGE_FINGERPRINT = "page"
"""In place of a fingerprint in the manifest of methods texts."""


def expected_outputs(plan: RunPlan) -> list[Path]:
    """Return every output file of a run, except the participant's page.

    Parameters
    ----------
    plan : RunPlan
        Its gradient table determines which maps there are.

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
    """Return every output file, as `expected_outputs`, for a run that is already open."""
    wanted = plan.options.maps
    tensor = TENSOR_PARAMS if wanted and not dti_volumes(gradients).reason else ()
    gqi = GQI_PARAMS if wanted and not gqi_volumes(gradients).reason else ()
    files = plan.names.expected(
        tensor=tensor, gqi=gqi, input_tensor=tensor, ensemble_sd=plan.options.uncertainty
    )
    return [
        *files,
        *(plan.names.report_file(desc, "json") for desc in ("curves", "index", MANIFEST)),
    ]


def manifest_of(plan: RunPlan) -> Path:
    """Return the path of the run's manifest."""
    return plan.names.report_file(MANIFEST, "json")


def write_run_manifest(plan: RunPlan) -> None:
    """Write the manifest of a run, including pictures; missing files are left out."""
    path = manifest_of(plan)
    pictures = path.parent.glob(path.name.replace(f"_desc-{MANIFEST}_dwi.json", "_desc-*"))
    files = {*expected_outputs(plan), *pictures} - {path}
    write_manifest(
        path, plan.names.out_dir, (file for file in files if file.is_file()), plan.fingerprint
    )


def page_manifest(out_dir: Path, subject: str) -> Path:
    """Return the path of the manifest of a participant's methods texts."""
    return out_dir / f"sub-{subject}" / "figures" / f"sub-{subject}_desc-{MANIFEST}.json"


def write_page_manifest(out_dir: Path, subject: str) -> None:
    """Write the manifest of a participant's methods texts."""
    path = page_manifest(out_dir, subject)
    path.parent.mkdir(parents=True, exist_ok=True)
    methods = path.parent.glob(f"sub-{subject}_desc-methods.*")
    write_manifest(path, out_dir, methods, PAGE_FINGERPRINT)
