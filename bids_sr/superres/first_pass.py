"""The first pass over a series: its scale, what its volumes share, and its measured band."""

from __future__ import annotations

import numpy as np

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.errors import InputError
from bids_sr.images.band import BAND_VOLUMES, effective_band
from bids_sr.images.census import Census
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.intensity import robust_scale
from bids_sr.images.nifti import DwiReader
from bids_sr.networks.angular import HARMONICS
from bids_sr.networks.card import ModelCard
from bids_sr.networks.channels import SeriesConditioning
from bids_sr.networks.slice_frame import slice_frame


def gather(
    reader: DwiReader, run: DwiRun, grid: SliceGrid, card: ModelCard, census: Census
) -> tuple[float, SeriesConditioning]:
    """Find the run's intensity scale and what its volumes share, in one pass.

    Parameters
    ----------
    reader : DwiReader
        The series.
    run : DwiRun
        Its gradient table.
    grid : SliceGrid
        How its slices lie.
    card : ModelCard
        Says which channels are read, and by which `input_rule`: `series` or `paper`.
    census : Census
        Shown each volume.

    Returns
    -------
    scale : float
        `series`: from the first b0 that is not empty, or the first volume of the
        lowest shell without one. `paper`: the largest value of the series.
    conditioning : SeriesConditioning
        Fed with all volumes, in units of the scale.

    Raises
    ------
    InputError
        If there is nothing that the series could be scaled by.
    """
    gradients = run.gradients
    scale = _series_scale(reader, run)
    conditioning = SeriesConditioning(
        gradients,
        frame=slice_frame(grid.affine, grid.slice_axis),
        harmonics=HARMONICS in card.channels,
        fetch=lambda index: reader.volume(index) / np.float32(scale),
    )
    for index in range(gradients.n_volumes):
        volume = reader.volume(index)
        census.add(index, volume)
        conditioning.add(index, volume / np.float32(scale))
    # a network of the paper's kind reads the slice alone: what was gathered is not used
    return census.largest if card.input_rule == "paper" else scale, conditioning


def _series_scale(reader: DwiReader, run: DwiRun) -> float:
    gradients = run.gradients
    b0s = np.flatnonzero(gradients.is_b0)
    for index in b0s if b0s.size else [np.argmin(gradients.bvals)]:
        volume = reader.volume(int(index))
        if volume.max() > 0:
            return robust_scale(volume)
    kind = "b = 0 volume" if b0s.size else "volume of the lowest b-value"
    raise InputError(
        f"holds no positive value in any {kind}, so that nothing tells its intensities.",
        file=run.image,
        remedy="Convert it again from DICOM.",
    )


def measured_band(reader: DwiReader, grid: SliceGrid) -> tuple[float, float]:
    """Return the measured share of the input's band along both in-plane axes.

    Parameters
    ----------
    reader : DwiReader
        The series; its first volumes are read.
    grid : SliceGrid
        How its slices lie.

    Returns
    -------
    tuple of float
        As `bids_sr.images.band.effective_band` gives it.
    """
    count = min(BAND_VOLUMES, reader.shape[3])
    return effective_band(to_slices(reader.volume(i), grid.slice_axis) for i in range(count))
