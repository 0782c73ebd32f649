"""The part of a run's record that is known before processing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.diffusion.defaults import OFF
from bids_sr.diffusion.gradient_check import NOT_CHECKED
from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes
from bids_sr.images.grid import SliceGrid
from bids_sr.images.header import read_header
from bids_sr.images.matrix_resampling import acquired_affine
from bids_sr.images.runs import open_run
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.images.zero_filling import expect
from bids_sr.networks.card import ModelCard
from bids_sr.quality.facts import grid_facts, network_facts
from bids_sr.report.methods_checks import PLANNED

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
    """Return the entries of a run's record that its methods text needs.

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
        Voxel axis across the slices; detected by default.
    given : tuple of int, optional
        The acquired in-plane matrix; by default detected, if the settings say so.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If the run's files cannot be used.
    """
    run, meta = open_run(files), read_header(files.dwi)
    axis = slice_axis_of(run, meta, slice_axis)
    if settings.get("detect_band"):
        run = expect(run, slice_axis=axis, given=given)
    affine = acquired_affine(meta.affine, meta.series_shape()[:3], run.shape[:3])
    grid = SliceGrid(run.shape[:3], affine, axis, card.factor)
    record = {
        "run": files.label,
        **grid_facts(run, grid),
        **network_facts(card),
        "dti_skipped_reason": dti_volumes(run.gradients).reason or "",
        "gqi_skipped_reason": gqi_volumes(run.gradients).reason or "",
        # the text depends only on whether there is a verdict
        "gradients_verdict": NOT_CHECKED if settings["gradient_check"] == OFF else PLANNED,
        "selfcheck_verdict": PLANNED if self_check else None,
    }
    kept = {key: settings[key] for key in _KEPT}
    return record | kept
