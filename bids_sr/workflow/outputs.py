"""What finished runs and pages leave, and the lists of it (manifests)."""

from __future__ import annotations

from pathlib import Path

from bids_sr.bids.gradients import GradientTable
from bids_sr.bids.names import GQI_PARAMS, TENSOR_PARAMS
from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes
from bids_sr.images.runs import open_run
from bids_sr.workflow.manifest import write_manifest
from bids_sr.workflow.plan import RunPlan

MANIFEST = "manifest"
"""Label of ``desc`` for the list of what the run left."""

PAGE_FINGERPRINT = "page"
"""What stands for a fingerprint in the list of methods texts."""


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
    """Write down what the run left, pictures included; what is missing is left out."""
    path = manifest_of(plan)
    pictures = path.parent.glob(path.name.replace(f"_desc-{MANIFEST}_dwi.json", "_desc-*"))
    files = {*expected_outputs(plan), *pictures} - {path}
    write_manifest(
        path, plan.names.out_dir, (file for file in files if file.is_file()), plan.fingerprint
    )


def page_manifest(out_dir: Path, subject: str) -> Path:
    """Return the path of the list of the methods texts beside a participant's page."""
    return out_dir / f"sub-{subject}" / "figures" / f"sub-{subject}_desc-{MANIFEST}.json"


def write_page_manifest(out_dir: Path, subject: str) -> None:
    """Write down the methods texts that were left beside a participant's page."""
    path = page_manifest(out_dir, subject)
    path.parent.mkdir(parents=True, exist_ok=True)
    methods = path.parent.glob(f"sub-{subject}_desc-methods.*")
    write_manifest(path, out_dir, methods, PAGE_FINGERPRINT)
