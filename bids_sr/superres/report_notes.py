"""Notes on a run for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.grid import SliceGrid
from bids_sr.images.hot_voxels import HotVoxels
from bids_sr.images.series_checks import some
from bids_sr.networks.angular_parts import B0, L2, L2_DIRECTIONS, angular_models
from bids_sr.networks.card import ModelCard
from bids_sr.networks.channels import MIN_FIT_DIRECTIONS


def band_notes(grid: SliceGrid, band: tuple[float, float]) -> tuple[str, ...]:
    """Note the axes along which the scanner interpolated; empty if it did not."""
    return tuple(
        f"Along voxel axis {'ijk'[axis]} the scan holds about {round(share * grid.shape[axis])} of"
        f" {grid.shape[axis]} frequencies: the scanner (or a filter) interpolated it. Data"
        " consistency covers only those, and there is less to gain than the voxel size suggests."
        for axis, share in zip(grid.in_plane, band, strict=True)
        if share < 1
    )


def series_notes(run: DwiRun, card: ModelCard) -> tuple[str, ...]:
    """Note the network input that was missing."""
    stored = () if run.stored is None else (run.stored.note,)
    return (*stored, *(_missing_parts(run) if card.sees_series else _missing_channels(run, card)))


def _missing_parts(run: DwiRun) -> Iterator[str]:
    models = angular_models(run.gradients)
    if not run.gradients.is_b0.any():
        yield "The series has no b0; the network saw its shells alone."
    if len(models) == run.gradients.is_b0.any():
        yield "The series has no diffusion-weighted volume; the network saw its b0 alone."
    if run.gradients.not_linear:
        yield "All directions of a shell get the same detail, since their encoding is not linear."
        return
    values = [m.shell.removeprefix("b") for m in models if m.shell != B0 and L2 not in m.parts]
    if values:
        yield (
            f"Shells b = {', '.join(values)} have fewer than {L2_DIRECTIONS} well-spread"
            " directions; all of them get the same detail."
        )


def _missing_channels(run: DwiRun, card: ModelCard) -> Iterator[str]:
    if not run.gradients.is_b0.any() and "mean_b0" in card.channels:
        yield "The series has no b0; the mean of each shell stood in for it."
    if run.gradients.not_linear and "tensor" in card.channels:
        yield "The mean of each shell replaced the prediction of a tensor."
        return
    small = [s for s in run.gradients.shells if len(s.indices) < MIN_FIT_DIRECTIONS]
    if small and "tensor" in card.channels:
        values = ", ".join(f"{shell.bval:g}" for shell in small)
        yield (
            f"Shells b = {values} have fewer than {MIN_FIT_DIRECTIONS} volumes;"
            " the mean of the shell stood in for the tensor prediction."
        )


def hot_notes(hot: Mapping[int, HotVoxels]) -> tuple[str, ...]:
    """Note the number of voxels hidden from the network; empty if there are none."""
    if not hot:
        return ()
    count = sum(voxels.count for voxels in hot.values())
    found = f"{count} voxel{'' if count == 1 else 's'}"
    return (
        f"The input holds {found} far brighter than all"
        f" around (hot pixels, or saturated lines; volumes {some(hot)}). The network was given"
        " the surroundings instead; the output keeps the input's values.",
    )
