"""One function per node; each delegates its work to one call into the package.

Inputs are arguments; results go to the next step and to disk. Libraries that are slow to import are
imported in the functions, in the process that runs the step.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from bids_sr.bids.atomic import write_json
from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.runs import open_run
from bids_sr.workflow import sidecar_writing
from bids_sr.workflow.memory import chunk_sizes

if TYPE_CHECKING:
    from bids_sr.bids.names import OutputNames
    from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps
    from bids_sr.diffusion.gradient_check import CheckedRun
    from bids_sr.diffusion.run_masks import RunMasks
    from bids_sr.diffusion.tensor import TensorMaps
    from bids_sr.quality.record import Record
    from bids_sr.superres.engine import SuperResolvedDwi
    from bids_sr.superres.ensemble_sd import EnsembleSdFiles
    from bids_sr.workflow.plan import RunPlan

SLOPPY_NOTE = "Made with --sloppy: poor quality, for trying things out only."
"""First note in the report of such a run."""


def names_with_maps(plan: RunPlan, folder: Path) -> OutputNames:
    """Return the run's names, with diffusion maps next to the series, or in the work folder.

    Parameters
    ----------
    plan : RunPlan
        The run.
    folder : pathlib.Path
        Its work folder, which holds the folders of the steps.

    Returns
    -------
    OutputNames
    """
    return plan.names if plan.options.maps else evolve(plan.names, maps_dir=folder / "maps")


def read(plan: RunPlan) -> DwiRun:
    """Check the files of the run."""
    return open_run(plan.files)


def undo_filling(plan: RunPlan, run: DwiRun, folder: Path) -> DwiRun:
    """Resample a zero-filled series to its acquired matrix."""
    from bids_sr.images.zero_filling import to_acquired

    how = plan.options
    if not how.detect_band:
        return run
    return to_acquired(
        run, folder / "acquired.nii", slice_axis=how.slice_axis, given=how.input_matrix
    )


def check_gradients(plan: RunPlan, run: DwiRun) -> CheckedRun:
    """Check whether the gradient table matches the image, and correct it if requested."""
    from bids_sr.diffusion.gradient_check import checked_run

    return checked_run(run, plan.options.gradient_check)


def super_resolve(plan: RunPlan, checked: CheckedRun, folder: Path) -> SuperResolvedDwi:
    """Super-resolve the series; ensemble members to be fitted are kept in the folder."""
    run = checked.run
    beside = _ensemble_sd_files(plan, run, plan.names.dwi_sd, folder)
    return _super_resolve(plan, run, plan.names.dwi, beside, plan.options.precision, folder)


def _super_resolve(
    plan: RunPlan,
    run: DwiRun,
    out: Path,
    beside: EnsembleSdFiles | None,
    precision: str,
    folder: Path,
) -> SuperResolvedDwi:
    from bids_sr.superres import engine

    how, chunks = plan.options, chunk_sizes(plan, run)
    result = engine.super_resolve(
        run,
        how.card,
        out,
        device=how.device,
        batch_size=chunks.batch_size,
        threads=how.network_threads,
        ensemble_sd=beside,
        ahead=chunks.ahead,
        scratch=folder,
        **how.engine_arguments() | {"precision": precision},
    )
    return evolve(result, notes=(SLOPPY_NOTE, *result.notes)) if how.sloppy else result


def _ensemble_sd_files(
    plan: RunPlan, run: DwiRun, sd: Path, folder: Path
) -> EnsembleSdFiles | None:
    """Return the files of the standard deviation, and of the members that a tensor is fitted to."""
    from bids_sr.diffusion.volume_selection import dti_volumes
    from bids_sr.superres.ensemble_sd import ensemble_sd_files

    if not plan.options.uncertainty:
        return None
    how, volumes = plan.options, dti_volumes(run.gradients).indices
    return ensemble_sd_files(how.card, sd, folder, volumes, how.ensemble)


def describe(plan: RunPlan, sr: SuperResolvedDwi, checked: CheckedRun) -> Path:
    """Write gradients and sidecar of the series."""
    return sidecar_writing.write_series_sidecar(
        plan,
        sr.run.gradients,
        sr.grid,
        corrected=checked.check.verdict if checked.fixed else None,
        stored=sr.run.stored,
    )


def mask(plan: RunPlan, sr: SuperResolvedDwi, folder: Path) -> RunMasks:
    """Read or compute the brain mask, on both grids."""
    from bids_sr.diffusion.run_masks import make_masks

    work = folder / "input_mask.nii.gz"
    masks = make_masks(sr.run, sr.grid, input_mask=work, output_mask=plan.names.mask)
    sidecar_writing.write_mask_sidecar(plan, sr.grid)
    return masks


def fit_input(
    plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks, folder: Path
) -> TensorMaps | None:
    """Fit the tensor to the input, for comparison, if its gradients allow."""
    from bids_sr.diffusion import tensor
    from bids_sr.diffusion.run_masks import load_mask
    from bids_sr.diffusion.volume_selection import dti_volumes

    if dti_volumes(sr.run.gradients).reason:
        return None
    maps = tensor.fit_tensor(
        sr.run.files.dwi,
        sr.run.gradients,
        load_mask(masks.input),
        names_with_maps(plan, folder.parent).input_tensor,
        signed=sr.signed,
        **_chunk_arguments(plan, sr.run, folder),
    )
    sidecar_writing.write_map_sidecars(
        plan,
        maps.paths,
        "tensor",
        stored=sr.run.stored,
        zooms=sr.grid.zooms,
        volumes=maps.volumes,
        fit=tensor.fit_parameters(signed=sr.signed),
    )
    return maps


def fit_tensor(
    plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks, folder: Path
) -> TensorMaps | None:
    """Fit the tensor to the super-resolved series, if its gradients allow."""
    from bids_sr.diffusion import tensor
    from bids_sr.diffusion.run_masks import load_mask
    from bids_sr.diffusion.volume_selection import dti_volumes

    if dti_volumes(sr.run.gradients).reason:
        return None
    maps = tensor.fit_tensor(
        sr.dwi,
        sr.run.gradients,
        load_mask(masks.output),
        names_with_maps(plan, folder.parent).tensor,
        signed=sr.signed,
        **_chunk_arguments(plan, sr.run, folder),
    )
    sidecar_writing.write_map_sidecars(
        plan,
        maps.paths,
        "tensor",
        grid=sr.grid,
        volumes=maps.volumes,
        fit=tensor.fit_parameters(signed=sr.signed),
    )
    return maps


def fit_gqi(
    plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks, folder: Path
) -> dict[str, Path] | None:
    """Reconstruct by GQI from the super-resolved series, if its gradients allow."""
    from bids_sr.diffusion import gqi
    from bids_sr.diffusion.run_masks import load_mask
    from bids_sr.diffusion.volume_selection import gqi_volumes

    if gqi_volumes(sr.run.gradients).reason:
        return None
    paths = gqi.fit_gqi(
        sr.dwi,
        sr.run.gradients,
        load_mask(masks.output),
        names_with_maps(plan, folder.parent).gqi,
        **_chunk_arguments(plan, sr.run, folder),
    )
    sidecar_writing.write_map_sidecars(plan, paths, "gqi", grid=sr.grid, fit=gqi.fit_parameters())
    return paths


def fit_input_gqi(
    plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks, folder: Path
) -> dict[str, Path] | None:
    """Reconstruct QA from the input, for comparison; it is kept in the step's folder."""
    from bids_sr.diffusion import gqi
    from bids_sr.diffusion.run_masks import load_mask
    from bids_sr.diffusion.volume_selection import gqi_volumes

    if gqi_volumes(sr.run.gradients).reason:
        return None
    return gqi.fit_gqi(
        sr.run.files.dwi,
        sr.run.gradients,
        load_mask(masks.input),
        lambda param: folder / f"input_{param}.nii.gz",
        params=("qa",),
        **_chunk_arguments(plan, sr.run, folder),
    )


def ensemble_sd(
    plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks, folder: Path
) -> EnsembleSdMaps | None:
    """Fit the tensor to each ensemble member and remove the members, if they were kept."""
    from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps, fa_ensemble_sd, subset
    from bids_sr.diffusion.run_masks import load_mask
    from bids_sr.diffusion.tensor import fit_parameters
    from bids_sr.superres.ensemble_sd import open_members

    if sr.ensemble_sd is None:
        return None
    gradients, fa_sd = sr.run.gradients, names_with_maps(plan, folder.parent).fa_sd
    sidecar_writing.write_ensemble_sd_sidecar(plan, plan.names.dwi_sd, gradients, sr.grid)
    if not sr.ensemble_sd.members:
        return EnsembleSdMaps(plan.names.dwi_sd, None)
    beside = _with_members(plan, sr, folder)
    with open_members(beside, sr.run, sr.grid, sr.scale, signed=sr.signed) as members:
        fa_ensemble_sd(
            members,
            subset(gradients, beside.volumes),
            load_mask(masks.output),
            fa_sd,
            folder=folder,
            signed=sr.signed,
            **_chunk_arguments(plan, sr.run, folder),
        )
    sidecar_writing.write_ensemble_sd_sidecar(
        plan,
        fa_sd,
        gradients,
        sr.grid,
        volumes=beside.volumes,
        fit=fit_parameters(signed=sr.signed),
    )
    _remove(beside.members)
    return EnsembleSdMaps(plan.names.dwi_sd, fa_sd)


def _remove(members: Sequence[Path]) -> None:
    for path in members:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _chunk_arguments(plan: RunPlan, run: DwiRun, folder: Path) -> dict[str, Any]:
    """Return the chunk sizes of a fit, as its arguments."""
    chunks = chunk_sizes(plan, run)
    return {
        "threads": plan.options.threads,
        "block_bytes": chunks.block_bytes,
        "scratch": folder,
        "on_disk": chunks.on_disk,
    }


def _with_members(plan: RunPlan, sr: SuperResolvedDwi, folder: Path) -> EnsembleSdFiles:
    """Return the members; make them again if an earlier call has removed them.

    A copied work folder still refers to those in the original one, which are left alone.
    """
    if sr.ensemble_sd is not None and all(
        _is_beside(path, folder) for path in sr.ensemble_sd.members
    ):
        return sr.ensemble_sd
    again, sd = folder / "again.nii.gz", folder / "again_sd.nii.gz"
    beside = _ensemble_sd_files(plan, sr.run, sd, folder)
    assert beside is not None
    # on another CPU in the same precision as on the first
    _super_resolve(plan, sr.run, again, beside, sr.precision, folder)
    again.unlink()
    sd.unlink()
    return beside


def _is_beside(path: Path, folder: Path) -> bool:
    """Return whether a copy exists in the folder of another step of the same run."""
    return path.exists() and path.resolve().parent.parent == folder.resolve().parent


def self_check(plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks, folder: Path) -> Record:
    """Downsample the input, super-resolve it, and compare it with the original."""
    from bids_sr.evaluation.selfcheck import ComputeOptions, self_check

    how, batch = plan.options, chunk_sizes(plan, sr.run).batch_size
    compute = ComputeOptions(how.device, batch, how.network_threads, how.detect_band)
    return self_check(sr, masks.input, folder, how.self_check, compute)


def compute_metrics(
    plan: RunPlan,
    sr: SuperResolvedDwi,
    masks: RunMasks,
    maps: TensorMaps | None,
    input_maps: TensorMaps | None,
    gqi: dict[str, Path] | None,
    input_gqi: dict[str, Path] | None,
    ensemble_sd: EnsembleSdMaps | None,
    check: Record,
    checked: CheckedRun,
    sidecar: Path,
) -> Path:
    """Compute the quality metrics and the lights; runs once the sidecar is written."""
    from bids_sr.quality import record, verdict

    found = record.compute_metrics(
        evolve(sr, notes=(*sr.notes, *masks.warnings)),
        input_mask=masks.input,
        output_mask=masks.output,
        input_maps=input_maps,
        output_maps=maps,
        qa=(input_gqi["qa"], gqi["qa"]) if gqi and input_gqi else None,
        ensemble_sd=ensemble_sd,
    )
    metrics = {**found.record, **checked.record(), **check, "maps_written": plan.options.maps}
    metrics |= verdict.summary(metrics, sr.card.to_dict())
    write_json(plan.names.report_file("curves", "json"), found.curves)
    write_json(plan.names.quality, metrics)
    return plan.names.quality


def draw(
    plan: RunPlan,
    sr: SuperResolvedDwi,
    masks: RunMasks,
    maps: TensorMaps | None,
    gqi: dict[str, Path] | None,
    input_gqi: dict[str, Path] | None,
    ensemble_sd: EnsembleSdMaps | None,
    checked: CheckedRun,
    record: Path,
    folder: Path,
) -> Path:
    """Draw the pictures of the report, and write the manifest: the last step."""
    from bids_sr.report.figures import make_figures
    from bids_sr.workflow.outputs import write_run_manifest

    index = make_figures(
        sr,
        names_with_maps(plan, folder.parent),
        mask=masks.output,
        input_mask=masks.input,
        has_tensor=maps is not None,
        ensemble_sd=ensemble_sd,
        has_gqi=gqi is not None,
        checked=checked,
        input_qa=input_gqi["qa"] if input_gqi else None,
    )
    write_run_manifest(plan)
    return index
