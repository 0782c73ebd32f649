"""What a network is to give, with less noise than the scan."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.images.kspace import data_consistency
from bids_sr.images.nifti import DwiReader
from bids_sr.networks.channels import SeriesConditioning
from bids_sr.training.cache import cache_key, save

_LOG = logging.getLogger("bids_sr")
_PATCH_RADIUS = 2
"""Of MP-PCA: patches of 5 x 5 x 5 voxels, fewer along an axis that has not as many."""


def denoised(run: DwiRun, cache: Path) -> np.ndarray:
    """Return a run after MP-PCA (Veraart et al., NeuroImage 142, 394, 2016), (x, y, z, V).

    Parameters
    ----------
    run : DwiRun
        As acquired.
    cache : pathlib.Path
        Keeps the result, which takes minutes to make.

    Returns
    -------
    numpy.ndarray
        float32, a memory map.
    """
    from dipy.denoise.localpca import mppca

    path = cache / f"{run.files.label}-{cache_key(run, 'mppca')}.npy"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            _LOG.info("MP-PCA of %s", run.files.label)
            with DwiReader(run.files.dwi) as reader:
                scan = np.stack([reader.volume(i) for i in range(reader.shape[3])], axis=-1)
            radius = np.minimum(_PATCH_RADIUS, (np.array(scan.shape[:3]) - 1) // 2)
            save(path, np.asarray(mppca(scan, patch_radius=radius), np.float32))
    found: np.ndarray = np.load(path, mmap_mode="r")
    return found


def predicted(series: np.ndarray, gradients: GradientTable) -> np.ndarray:
    """Replace weighted volumes by what the tensor fit of their shell predicts.

    Parameters
    ----------
    series : numpy.ndarray
        (V, slices, A, B), high resolution.
    gradients : GradientTable
        Of the series.

    Returns
    -------
    numpy.ndarray
        The same shape; b0s, and shells of too few directions, as `networks.channels` has it.
    """
    conditioning = SeriesConditioning(gradients)
    for index, volume in enumerate(series):
        conditioning.add(index, volume)
    return np.stack(
        [
            volume
            if gradients.is_b0[index]
            else conditioning.channels(index, volume, ["tensor"])[0]
            for index, volume in enumerate(series)
        ]
    )


def with_band(clean: np.ndarray, lr: np.ndarray, factor: int) -> np.ndarray:
    """Put the input's band into a target without noise.

    The app keeps what was measured; a network that is shown a denoised band learns to
    denoise it, for nothing.

    Parameters
    ----------
    clean : numpy.ndarray
        (..., f a, f b).
    lr : numpy.ndarray
        (..., a, b), what the network will read.
    factor : int
        In-plane factor f.

    Returns
    -------
    numpy.ndarray
        (..., f a, f b).
    """
    kept = data_consistency(torch.from_numpy(clean), torch.from_numpy(lr), factor)
    return np.asarray(kept.numpy())
