"""What a reader of the report should know of a run."""

from __future__ import annotations

from collections.abc import Mapping

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.census import some
from bids_sr.images.grid import SliceGrid
from bids_sr.images.hot_voxels import HotVoxels
from bids_sr.networks.angular import HARMONICS
from bids_sr.networks.card import ModelCard
from bids_sr.networks.channels import MIN_FIT_DIRECTIONS


def band_notes(grid: SliceGrid, band: tuple[float, float]) -> tuple[str, ...]:
    """Say along which axes the scanner interpolated; empty if it did not."""
    return tuple(
        f"Along voxel axis {'ijk'[axis]} the scan holds about {round(share * grid.shape[axis])} of"
        f" {grid.shape[axis]} frequencies: the scanner (or a filter) interpolated it. Data"
        " consistency covers only those, and there is less to gain than the voxel size suggests."
        for axis, share in zip(grid.in_plane, band, strict=True)
        if share < 1
    )


def series_notes(run: DwiRun, card: ModelCard) -> tuple[str, ...]:
    """Say what stood in for channels that the series does not give."""
    notes = [] if run.stored is None else [run.stored.note]
    if not run.gradients.is_b0.any() and "mean_b0" in card.channels:
        notes.append("The series has no b0; the mean of each shell stood in for it.")
    if run.gradients.not_linear and not {"tensor", HARMONICS}.isdisjoint(card.channels):
        notes.append("The mean of each shell stood in for what a tensor predicts.")
        return tuple(notes)
    small = [s for s in run.gradients.shells if len(s.indices) < MIN_FIT_DIRECTIONS]
    if small and "tensor" in card.channels:
        values = ", ".join(f"{shell.bval:g}" for shell in small)
        notes.append(
            f"Shells b = {values} have fewer than {MIN_FIT_DIRECTIONS} volumes;"
            " the mean of the shell stood in for the tensor prediction."
        )
    return tuple(notes)


def hot_notes(hot: Mapping[int, HotVoxels]) -> tuple[str, ...]:
    """Say how many voxels the network was not shown; empty if there are none."""
    if not hot:
        return ()
    count = sum(voxels.count for voxels in hot.values())
    return (
        f"Far brighter than all around: {count} of the input's voxels (hot pixels, or saturated"
        f" lines; volumes {some(hot)}). The network was shown their surroundings instead; the"
        " output keeps what was measured.",
    )
