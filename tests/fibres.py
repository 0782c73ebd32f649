"""Made-up scans with fibres: bundles along arcs of circles that cross each other."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.diffusion.frames import voxel_rotation
from bids_sr.images.runs import open_run

LEFT_HANDED = np.diag([-2.0, 2.0, 2.0, 1.0])
"""An affine whose FSL directions lie along the voxel axes."""


def tensors(shape, zooms, arcs=16, seed=0):
    """Tensors (x, y, z, 3, 3) along the voxel axes, mm2/s."""
    generator = np.random.default_rng(seed)
    extent = np.array(shape) * zooms
    place = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) * zooms
    field, count = np.zeros((*shape, 3, 3)), np.zeros(shape)
    for _ in range(arcs):
        normal = generator.normal(size=3)
        normal /= np.linalg.norm(normal)
        radius = generator.uniform(0.3, 0.7) * extent.min()
        offset = place - generator.uniform(0.2, 0.8, 3) * extent
        height = offset @ normal
        flat = offset - height[..., None] * normal
        out = np.linalg.norm(flat, axis=-1)
        inside = np.hypot(out - radius, height) < 5.0
        along = np.cross(normal, flat[inside] / out[inside][:, None])
        field[inside] += 1.2e-3 * along[:, :, None] * along[:, None, :] + 0.4e-3 * np.eye(3)
        count += inside
    return np.where(
        (count > 0)[..., None, None],
        field / np.maximum(count, 1)[..., None, None],
        0.8e-3 * np.eye(3),
    )


def directions(count):
    """Spread directions over a half sphere."""
    k = np.arange(count) + 0.5
    z = 1 - k / count
    angle, r = np.pi * (1 + 5**0.5) * k, np.sqrt(1 - z**2)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=1)


def write_scan(folder, affine=LEFT_HANDED, count=20, snr=40.0, bvecs=None, field=None, size=80.0,
               blur=(0, 0, 0), head=False):  # fmt: skip
    """Write a scan whose image was measured along `directions`; returns the opened run.

    `bvecs` (count, 3) are what the table says, by default the truth; `field` gives the
    tensors, by default `tensors` in a cube of `size` mm; `head` leaves a ball of them.
    """
    from scipy.ndimage import gaussian_filter

    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    shape = tuple(np.round(size / zooms).astype(int))
    field = tensors(shape, zooms) if field is None else field
    truth = directions(count)
    # what FSL calls x runs against the first voxel axis of a right-handed image
    along = truth * voxel_rotation(affine)[1]
    signals = [np.full(field.shape[:3], 1000.0)]
    signals += [1000 * np.exp(-1000 * np.einsum("i,...ij,j", g, field, g)) for g in along]
    if head:  # a ball in air
        middle = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) + 0.5
        inside = np.linalg.norm((middle - np.array(shape) / 2) * zooms, axis=-1) < 0.45 * size
        signals = [np.where(inside, signal, 0) for signal in signals]
    if any(blur):
        signals = [gaussian_filter(signal, blur) for signal in signals]
    noise = np.random.default_rng(1).normal(0, 1000 / snr, (*field.shape[:3], count + 1, 2))
    data = np.hypot(np.stack(signals, axis=-1) + noise[..., 0], noise[..., 1])
    folder.mkdir(exist_ok=True, parents=True)
    stem = folder / "sub-01_dwi"
    files = [stem.with_suffix(end) for end in (".nii.gz", ".bval", ".bvec")]
    nib.Nifti1Image(data.astype(np.float32), affine).to_filename(files[0])
    mask = folder / "mask.nii.gz"
    nib.Nifti1Image(np.ones(field.shape[:3], np.uint8), affine).to_filename(mask)
    np.savetxt(files[1], [[0, *[1000] * count]], fmt="%d")
    said = truth if bvecs is None else bvecs
    np.savetxt(files[2], np.vstack([np.zeros(3), said]).T)
    return open_run(DwiFiles(*files, mask, {}, {"sub": "01"}, folder))
