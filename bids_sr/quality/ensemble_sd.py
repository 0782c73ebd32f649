"""Summary of the standard deviation over the self-ensemble of a series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps
from bids_sr.images.nifti import DwiReader, load_volume


def mean_deviation(path: Path, gradients: GradientTable) -> NDArray[np.float32]:
    """Return the mean of standard deviations over the weighted volumes, voxel by voxel.

    Parameters
    ----------
    path : pathlib.Path
        4D, read volume by volume.
    gradients : GradientTable
        Of its volumes; without weighted ones, all are used.

    Returns
    -------
    numpy.ndarray
        (x, y, z), in units of the series.
    """
    weighted = np.flatnonzero(~gradients.is_b0)
    chosen = weighted if weighted.size else np.arange(gradients.n_volumes)
    with DwiReader(path) as reader:
        total = np.zeros(reader.shape[:3], np.float32)
        for index in chosen:
            total += reader.volume(int(index))
    return (total / len(chosen)).astype(np.float32)


def ensemble_sd_metrics(
    maps: EnsembleSdMaps, gradients: GradientTable, mask: NDArray[np.bool_], scale: float
) -> dict[str, float]:
    """Return median standard deviations over the brain.

    Parameters
    ----------
    maps : EnsembleSdMaps
        On disk.
    gradients : GradientTable
        Of the series.
    mask : numpy.ndarray
        (x, y, z), bool, brain on the super-resolved grid.
    scale : float
        Intensity scale of the run, in units of the series.

    Returns
    -------
    dict of str to float
        ``sd_dwi_median``, a share of the scale, of the mean over the weighted
        volumes; ``sd_fa_median``, if FA was fitted. NaN for an empty mask.
    """
    found = {"sd_dwi_median": _median(mean_deviation(maps.dwi, gradients), mask) / scale}
    if maps.fa is not None:
        found["sd_fa_median"] = _median(load_volume(maps.fa)[0], mask)
    return found


def _median(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    return float(np.median(image[mask])) if mask.any() else float("nan")
