"""Made-up series whose signal is b0, mean and l = 2 alone, without noise."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.images.runs import open_run

SIZE = (26, 20, 5)


def spread(count, seed=0):
    """Unit vectors, well spread over the sphere."""
    steps = np.arange(count) + 0.5
    z, angle = 1 - 2 * steps / count, steps * np.pi * (3 - np.sqrt(5)) + seed
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def signal(shape, bvals, vectors, seed=0):
    """A blurred random object whose signal is a mean and l = 2 alone, which vary in space.

    Vectors are along the array's axes. Returns (x, y, z, volumes), float32, without noise.
    """
    random = np.random.default_rng(seed)
    fields = [gaussian_filter(random.normal(size=shape), (0.8, 0.8, 0.5)) for _ in range(7)]
    base = 1000 + 900 * fields[0]
    base[: shape[0] // 8] = base[:, : shape[1] // 8] = 20  # air beside it
    x, y, z = vectors.T
    forms = np.stack([x * y, x * z, y * z, x**2 - y**2, 3 * z**2 - 1])
    angular = np.tensordot(np.stack(fields[1:6], -1), forms, axes=1)
    decay = np.exp(-np.asarray(bvals) * 6e-4) * (1 + 0.2 * fields[6][..., None])
    weighted = base[..., None] * decay * (1 + 0.5 * angular)
    signal = np.where(np.asarray(bvals) > 0, weighted, base[..., None])
    return np.maximum(signal, 1).astype(np.float32)


def write_series(folder, data, bvals, vectors):
    """Write a series whose vectors are along the array's axes; returns the opened run."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / "sub-01_dwi"
    nib.Nifti1Image(data, np.diag([2, 2, 3, 1])).to_filename(stem.with_suffix(".nii.gz"))
    np.savetxt(stem.with_suffix(".bval"), np.asarray(bvals)[None], fmt="%g")
    # FSL's x is flipped where the image is stored right-handed
    np.savetxt(stem.with_suffix(".bvec"), (vectors * [-1, 1, 1]).T)
    paths = [stem.with_suffix(kind) for kind in (".nii.gz", ".bval", ".bvec")]
    return open_run(DwiFiles(*paths, None, {}, {"sub": "01"}, folder))
