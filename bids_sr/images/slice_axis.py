"""The slice axis of a run, from its metadata, its header and its stored grid."""

from __future__ import annotations

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.grid import choose_slice_axis
from bids_sr.images.image_meta import ImageMeta


def slice_axis_of(run: DwiRun, meta: ImageMeta, override: int | None = None) -> int:
    """Return the voxel axis across the acquired slices.

    Parameters
    ----------
    run : DwiRun
        Its metadata. If it was resampled to its acquired matrix, the axis is that found on the
        stored grid, since voxel sizes have changed.
    meta : ImageMeta
        The header of its series.
    override : int, optional
        The user's choice, 0 to 2.

    Returns
    -------
    int
        0, 1 or 2; see `bids_sr.images.grid.choose_slice_axis`.
    """
    if override is None and run.stored is not None:
        return run.stored.slice_axis
    x, y, z, _ = meta.series_shape()
    in_header = meta.encoding_axes[2]
    return choose_slice_axis((x, y, z), meta.zooms, run.files.sidecar, override, in_header)
