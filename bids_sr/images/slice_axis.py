"""The slice axis of a run: from its metadata, its header and how it was stored."""

from __future__ import annotations

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.grid import choose_slice_axis
from bids_sr.images.reader import DwiReader


def slice_axis_of(run: DwiRun, reader: DwiReader, override: int | None = None) -> int:
    """Return the voxel axis across the slices that were acquired.

    Parameters
    ----------
    run : DwiRun
        Its metadata. Of one that was brought to its acquired matrix, the axis is that of the
        stored series: the voxels that it was told by are others now.
    reader : DwiReader
        Its series.
    override : int, optional
        The user's choice, 0 to 2.

    Returns
    -------
    int
        0, 1 or 2; see `bids_sr.images.grid.choose_slice_axis`.
    """
    if override is None and run.stored is not None:
        return run.stored.slice_axis
    dim_info_slice = reader.header.get_dim_info()[2]
    return choose_slice_axis(
        reader.shape[:3], reader.zooms, run.files.sidecar, override, dim_info_slice
    )
