"""What the record of a run will say that is known before it is processed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bids_sr.bids.dwi_run import DwiFiles, open_run
from bids_sr.diffusion.defaults import OFF
from bids_sr.diffusion.gradient_check import NOT_CHECKED
from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes
from bids_sr.images.grid import SliceGrid
from bids_sr.images.matrix_resampling import acquired_affine
from bids_sr.images.nifti import DwiReader
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.images.zero_filling import expect
from bids_sr.networks.card import ModelCard
from bids_sr.resources import read_version

_PACKAGES = ("torch", "dipy", "numpy", "nibabel", "nipype", "pybids")
_KEPT = ("data_consistency", "ensemble", "uncertainty")


def planned_record(
    files: DwiFiles,
    card: ModelCard,
    settings: Mapping[str, Any],
    *,
    self_check: bool,
    slice_axis: int | None = None,
    given: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Return those entries of a run's record that its methods text needs.

    Headers, gradients and the first volume are read.

    Parameters
    ----------
    files : DwiFiles
        The run.
    card : ModelCard
        The network.
    settings : mapping
        Settings of the super-resolution, as the sidecar of the series has them.
    self_check : bool
        Whether there will be a self-check.
    slice_axis : int, optional
        Voxel axis across the slices; default: found out.
    given : tuple of int, optional
        The acquired in-plane sides; default: found out, if the settings say so.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If the run's files cannot be used.
    """
    run = open_run(files)
    with DwiReader(files.dwi) as reader:
        axis = slice_axis_of(run, reader, slice_axis)
        stored = reader.zooms
        if settings.get("detect_band"):
            run = expect(run, slice_axis=axis, given=given)
        affine = acquired_affine(reader.affine, reader.shape[:3], run.shape[:3])
        grid = SliceGrid(run.shape[:3], affine, axis, card.factor)
    fine = [z / card.factor if a in grid.in_plane else z for a, z in enumerate(grid.zooms)]
    record = {
        "run": files.label,
        "acquired_matrix": _sides(run.shape, grid),
        "stored_matrix": _sides(run.stored.shape if run.stored else run.shape, grid),
        "stored_zooms_mm": "x".join(f"{size:.2f}" for size in stored),
        "input_zooms_mm": "x".join(f"{size:.2f}" for size in grid.zooms),
        "output_zooms_mm": "x".join(f"{size:.2f}" for size in fine),
        "scale_factor": card.factor,
        "model": card.name,
        "model_sha256": card.sha256,
        "dti_skipped_reason": dti_volumes(run.gradients).reason or "",
        "gqi_skipped_reason": gqi_volumes(run.gradients).reason or "",
        # only whether there is a verdict decides what the text says
        "gradients_verdict": NOT_CHECKED if settings["gradient_check"] == OFF else "planned",
        "selfcheck_verdict": "planned" if self_check else None,
        "version": read_version(),
    }
    kept = {key: settings[key] for key in _KEPT}
    return record | kept | {f"{name}_version": _version(name) for name in _PACKAGES}


def _sides(shape: Sequence[int], grid: SliceGrid) -> str:
    return "x".join(str(shape[axis]) for axis in grid.in_plane)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
