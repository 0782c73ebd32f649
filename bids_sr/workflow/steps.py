"""One function per node; each hands its work to one call into the package.

What a step needs comes as arguments, what it makes goes to the next step and to
disk. Libraries that are slow to import are imported inside, in the process that
runs the step.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.bids.atomic import write_json
from bids_sr.bids.dwi_run import DwiRun, open_run
from bids_sr.workflow import companions

if TYPE_CHECKING:
    from bids_sr.diffusion.run_masks import RunMasks
    from bids_sr.diffusion.tensor import TensorMaps
    from bids_sr.superres.engine import SuperResolvedDwi
    from bids_sr.workflow.plan import RunPlan


def read(plan: RunPlan) -> DwiRun:
    """Check the files of the run."""
    return open_run(plan.files)


def super_resolve(plan: RunPlan, run: DwiRun) -> SuperResolvedDwi:
    """Super-resolve the series."""
    from bids_sr.superres import engine

    how = plan.choices
    return engine.super_resolve(
        run,
        how.card,
        plan.names.dwi,
        device=how.device,
        batch_size=how.batch_size,
        threads=how.threads,
        data_consistency=how.data_consistency,
        detect_band=how.detect_band,
        ensemble=how.ensemble,
        slice_axis=how.slice_axis,
    )


def describe(plan: RunPlan, sr: SuperResolvedDwi) -> Path:
    """Put gradients and sidecar beside the series."""
    return companions.write_series_companions(plan, sr.grid)


def mask(plan: RunPlan, sr: SuperResolvedDwi, folder: Path) -> RunMasks:
    """Take or find the brain mask, on both grids."""
    from bids_sr.diffusion.run_masks import make_masks

    work = folder / "input_mask.nii.gz"
    masks = make_masks(sr.run, sr.grid, input_mask=work, output_mask=plan.names.mask)
    companions.write_mask_companion(plan, sr.grid)
    return masks


def fit_input(plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks) -> TensorMaps | None:
    """Fit the tensor to the input, for comparison, if its gradients allow."""
    from bids_sr.diffusion import tensor
    from bids_sr.diffusion.run_masks import load_mask
    from bids_sr.diffusion.selection import dti_volumes

    if dti_volumes(sr.run.gradients).reason:
        return None
    maps = tensor.fit_tensor(
        plan.files.dwi,
        sr.run.gradients,
        load_mask(masks.input),
        plan.names.input_tensor,
        threads=plan.choices.threads,
    )
    companions.write_map_companions(plan, maps.paths, "tensor", volumes=maps.volumes)
    return maps


def fit_tensor(plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks) -> TensorMaps | None:
    """Fit the tensor to the super-resolved series, if its gradients allow."""
    from bids_sr.diffusion import tensor
    from bids_sr.diffusion.run_masks import load_mask
    from bids_sr.diffusion.selection import dti_volumes

    if dti_volumes(sr.run.gradients).reason:
        return None
    maps = tensor.fit_tensor(
        sr.dwi,
        sr.run.gradients,
        load_mask(masks.output),
        plan.names.tensor,
        threads=plan.choices.threads,
    )
    companions.write_map_companions(plan, maps.paths, "tensor", grid=sr.grid, volumes=maps.volumes)
    return maps


def fit_gqi(plan: RunPlan, sr: SuperResolvedDwi, masks: RunMasks) -> dict[str, Path] | None:
    """Reconstruct by GQI from the super-resolved series, if its gradients allow."""
    from bids_sr.diffusion import gqi
    from bids_sr.diffusion.run_masks import load_mask
    from bids_sr.diffusion.selection import gqi_volumes

    if gqi_volumes(sr.run.gradients).reason:
        return None
    paths = gqi.fit_gqi(
        sr.dwi,
        sr.run.gradients,
        load_mask(masks.output),
        plan.names.gqi,
        threads=plan.choices.threads,
    )
    companions.write_map_companions(plan, paths, "gqi", grid=sr.grid)
    return paths


def judge(
    plan: RunPlan,
    sr: SuperResolvedDwi,
    masks: RunMasks,
    maps: TensorMaps | None,
    input_maps: TensorMaps | None,
    sidecar: Path,
) -> Path:
    """Work out the figures of merit; the series' sidecar is there before them."""
    from bids_sr.quality import record

    figures = record.judge(
        sr,
        input_mask=masks.input,
        output_mask=masks.output,
        input_maps=input_maps,
        output_maps=maps,
    )
    write_json(plan.names.quality, figures)
    return plan.names.quality


def draw(
    plan: RunPlan,
    sr: SuperResolvedDwi,
    masks: RunMasks,
    maps: TensorMaps | None,
    gqi: dict[str, Path] | None,
    record: Path,
) -> Path:
    """Draw the pictures of the report, the last step: all else is there."""
    from bids_sr.report.figures import make_figures

    return make_figures(sr, plan.names, mask=masks.output, has_tensor=maps is not None)
