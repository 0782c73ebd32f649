"""MP-PCA of a whole run, cached."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bids_sr.bids.cache import cache_key, save
from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.locking import lock_path, locked
from bids_sr.images.nifti import DwiReader

_LOG = logging.getLogger("bids_sr")
_PATCH_RADIUS = 2
"""Radius of MP-PCA patches: 5 x 5 x 5 voxels, fewer along a shorter axis."""


@contextmanager
def patches_without_noise() -> Iterator[None]:
    """Silence dipy's warning for patches without noise components (mean of an empty slice)."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        yield


def denoised(run: DwiRun, cache: Path) -> np.ndarray:
    """Return a run after MP-PCA (Veraart et al., NeuroImage 142, 394, 2016), (x, y, z, V).

    Parameters
    ----------
    run : DwiRun
        As acquired.
    cache : pathlib.Path
        Folder in which the result, which takes minutes, is kept.

    Returns
    -------
    numpy.ndarray
        float32, a memory map.
    """
    from dipy.denoise.localpca import mppca

    path = cache / f"{run.files.label}-{cache_key(run, 'mppca')}.npy"
    with locked(lock_path(cache, path.stem)):
        if not path.exists():
            _LOG.info("MP-PCA of %s", run.files.label)
            with DwiReader(run.files.dwi) as reader:
                scan = np.stack([reader.volume(i) for i in range(reader.shape[3])], axis=-1)
            radius = np.minimum(_PATCH_RADIUS, (np.array(scan.shape[:3]) - 1) // 2)
            with patches_without_noise():
                save(path, np.asarray(mppca(scan, patch_radius=radius), np.float32))
    found: np.ndarray = np.load(path, mmap_mode="r")
    return found
