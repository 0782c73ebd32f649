"""Volumes for the 3D page: cropped to the brain, 8 bit, packed into a script.

A page opened from disk may not fetch files, but it may run a script from the same
folder: the volumes are stored as text in such a script.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from bids_sr.bids.atomic import write_text

MOST_VOXELS = 5_000_000
"""Most voxels of the crop on the fine grid; with more, outer slices are left out."""
_MARGIN = 2

Volume = NDArray[np.float32]


@frozen
class Crop:
    """A block of voxels on the acquired grid."""

    start: tuple[int, int, int]
    """First voxel."""
    stop: tuple[int, int, int]
    """One past the last."""

    def scaled(self, steps: tuple[int, int, int]) -> tuple[slice, ...]:
        """Return the block's slices on a grid that is finer by `steps` along the axes."""
        return tuple(
            slice(a * n, b * n) for a, b, n in zip(self.start, self.stop, steps, strict=True)
        )


@frozen(eq=False)
class Packed:
    """A volume as the page loads it."""

    label: str
    """Label of its button."""
    note: str
    """Description, one sentence."""
    data: bytes
    """NIfTI-1, gzip."""


def brain_crop(mask: NDArray[np.bool_], steps: tuple[int, int, int], slice_axis: int) -> Crop:
    """Return the block around the brain, with a margin of two acquired voxels.

    Parameters
    ----------
    mask : numpy.ndarray
        (x, y, z) bool on the fine grid; if it is empty, the whole grid is used.
    steps : tuple of int
        Fine voxels per acquired voxel along each axis.
    slice_axis : int
        Voxel axis across the slices: along it the block is shortened, evenly at both
        ends, where it would hold more than `MOST_VOXELS` fine voxels.

    Returns
    -------
    Crop
    """
    brain = mask if mask.any() else np.ones_like(mask)
    starts, stops = [], []
    for axis, step in enumerate(steps):
        inside = np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis))) // step
        starts.append(max(0, int(inside[0]) - _MARGIN))
        stops.append(min(mask.shape[axis] // step, int(inside[-1]) + 1 + _MARGIN))
    sides = [(b - a) * n for a, b, n in zip(starts, stops, steps, strict=True)]
    most = max(1, MOST_VOXELS * sides[slice_axis] // int(np.prod(sides)))
    extra = max(0, sides[slice_axis] - most)
    starts[slice_axis] += extra // 2
    stops[slice_axis] -= extra - extra // 2
    return Crop((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))


def pack(
    label: str,
    note: str,
    volume: Volume,
    affine: NDArray[np.float64],
    block: tuple[slice, ...],
    keep: NDArray[np.bool_],
    top: float,
) -> Packed:
    """Cut, quantise and compress a volume.

    Parameters
    ----------
    label, note : str
        For the page.
    volume : numpy.ndarray
        (x, y, z).
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.
    block : tuple of slice
        The block to crop to.
    keep : numpy.ndarray
        (x, y, z) bool; other voxels become zero.
    top : float
        Value of the brightest grey.

    Returns
    -------
    Packed
    """
    level = np.where(keep[block], np.nan_to_num(volume[block]) / top, 0)
    shades = np.round(255 * np.clip(level, 0, 1)).astype(np.uint8)
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ [part.start for part in block]
    image = nib.Nifti1Image(shades, moved)
    image.header.set_slope_inter(top / 255, 0)
    image.header.set_xyzt_units("mm")
    # no time stamp, so that the same volume gives the same file
    return Packed(label, note, gzip.compress(image.to_bytes(), 9, mtime=0))


def widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask with a rim of one voxel, so that the surface is visible."""
    return binary_dilation(mask) if mask.any() else np.ones_like(mask)


def write_volumes(path: Path, volumes: Sequence[Packed]) -> None:
    """Write volumes as a script that the page reads.

    Parameters
    ----------
    path : pathlib.Path
        ``..._desc-3dvolumes_dwi.js``.
    volumes : sequence of Packed
    """
    content = [
        {"label": one.label, "note": one.note, "base64": base64.b64encode(one.data).decode()}
        for one in volumes
    ]
    write_text(path, f"window.bidsSrVolumes = {json.dumps(content)};\n")
