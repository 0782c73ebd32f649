"""Writing the gradient files and JSON sidecars of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_sr.bids.atomic import write_json
from bids_sr.bids.gradient_files import write_gradients
from bids_sr.bids.names import gradients_of, sidecar_of
from bids_sr.bids.sidecars import (
    acquired_text,
    dwi_sidecar,
    ensemble_sd_sidecar,
    map_sidecar,
    mask_sidecar,
    resolution_text,
    source_resolution,
)
from bids_sr.bids.uris import own_uri

if TYPE_CHECKING:
    from bids_sr.bids.dwi_run import StoredGrid
    from bids_sr.bids.gradients import GradientTable
    from bids_sr.images.grid import SliceGrid
    from bids_sr.workflow.plan import RunPlan


def write_series_sidecar(
    plan: RunPlan,
    gradients: GradientTable,
    grid: SliceGrid,
    *,
    corrected: str | None = None,
    stored: StoredGrid | None = None,
) -> Path:
    """Write bval and bvec of the super-resolved series, and its sidecar last.

    The voxel axes keep their directions, so the gradient table remains valid. It is written as it
    was read, not copied: in FSL's format, whatever the format of the input.

    Parameters
    ----------
    plan : RunPlan
        The run.
    gradients : GradientTable
        The table with which the series was processed.
    grid : SliceGrid
        Input grid and factor.
    corrected : str, optional
        The error in the input's table, if `gradients` is corrected.
    stored : StoredGrid, optional
        The stored grid, if the input was resampled to its acquired matrix.

    Returns
    -------
    pathlib.Path
        The sidecar.
    """
    names, card = plan.names, plan.options.card
    write_gradients(gradients, *gradients_of(names.dwi))
    sidecar = dwi_sidecar(
        plan.files,
        factor=names.factor,
        in_zooms=grid.zooms,
        out_zooms=grid.fine_zooms,
        stored_zooms=stored.zooms if stored else grid.zooms,
        model={"Name": card.name, "SHA256": card.sha256, "Degradation": card.degradation},
        fingerprint=plan.fingerprint,
        settings=plan.options.settings,
        corrected=corrected,
    )
    write_json(names.dwi_json, sidecar)
    return names.dwi_json


def write_mask_sidecar(plan: RunPlan, grid: SliceGrid) -> None:
    """Write the sidecar of the brain mask on the super-resolved grid."""
    sidecar = mask_sidecar(
        plan.files,
        factor=plan.names.factor,
        in_zooms=grid.zooms,
        out_zooms=grid.fine_zooms,
        given=plan.files.mask,
    )
    write_json(plan.names.mask_json, sidecar)


def write_map_sidecars(
    plan: RunPlan,
    paths: Mapping[str, Path],
    model: str,
    *,
    grid: SliceGrid | None = None,
    stored: StoredGrid | None = None,
    zooms: Sequence[float] = (),
    volumes: Sequence[int] | None = None,
    fit: Mapping[str, Any] | None = None,
) -> None:
    """Write the sidecars of diffusion maps.

    Parameters
    ----------
    plan : RunPlan
        The run.
    paths : mapping of str to pathlib.Path
        The map of each parameter.
    model : str
        ``tensor`` or ``gqi``.
    grid : SliceGrid, optional
        Grid of maps of the super-resolved series; None for maps of the input.
    stored : StoredGrid, optional
        The stored grid, if the maps of the input are on another one.
    zooms : sequence of float
        Voxel sides of that grid, mm.
    volumes : sequence of int, optional
        Volumes fitted to.
    fit : mapping, optional
        How the model was fitted, in the words of BEP016.
    """
    fitted_to: tuple[str, ...] = ()
    resolution = source_resolution(plan.files)
    if grid is not None:
        fitted_to = (own_uri(plan.names.out_dir, plan.names.dwi),)
        resolution = resolution_text(grid.factor, grid.zooms, grid.fine_zooms)
    elif stored is not None:
        resolution = acquired_text(zooms, stored.zooms)
    for param, path in paths.items():
        content = map_sidecar(
            param,
            model,
            plan.files,
            sources=fitted_to,
            resolution=resolution,
            volumes=volumes,
            fit=fit,
        )
        write_json(sidecar_of(path), content)


def write_ensemble_sd_sidecar(
    plan: RunPlan,
    image: Path,
    gradients: GradientTable,
    grid: SliceGrid,
    volumes: Sequence[int] | None = None,
    fit: Mapping[str, Any] | None = None,
) -> None:
    """Write the sidecar of a standard deviation over the self-ensemble, and its gradients.

    BIDS requires bval and bvec for every image with the suffix ``dwi``; they identify the volumes.

    Parameters
    ----------
    plan : RunPlan
        The run.
    image : pathlib.Path
        ``names.dwi_sd``, or that of FA, which may be in the work folder.
    gradients : GradientTable
        The table with which the series was processed.
    grid : SliceGrid
        Input grid and factor.
    volumes : sequence of int, optional
        Volumes that each tensor was fitted to.
    fit : mapping, optional
        How it was fitted, in the words of BEP016.
    """
    if image == plan.names.dwi_sd:
        write_gradients(gradients, *gradients_of(image))
    content = ensemble_sd_sidecar(
        "dwi" if image == plan.names.dwi_sd else "fa",
        plan.files,
        ensemble=plan.options.ensemble,
        sources=(own_uri(plan.names.out_dir, plan.names.dwi),),
        resolution=resolution_text(grid.factor, grid.zooms, grid.fine_zooms),
        volumes=volumes,
        fit=fit,
    )
    write_json(sidecar_of(image), content)
