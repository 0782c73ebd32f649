"""The standard deviation of tensor maps over the self-ensemble: each member is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.tensor import fit_tensor
from bids_sr.diffusion.voxelwise import BLOCK_BYTES
from bids_sr.images.nifti import VolumeSource, load_volume, write_image


@frozen
class EnsembleSdMaps:
    """Standard deviations over the self-ensemble, on disk."""

    dwi: Path
    """Standard deviation of each volume, 4D, in units of the input."""
    fa: Path | None
    """Standard deviation of FA, 3D; None if no tensor was fitted."""


def fa_ensemble_sd(
    members: Sequence[VolumeSource],
    gradients: GradientTable,
    mask: NDArray[np.bool_],
    out: Path,
    *,
    folder: Path,
    threads: int | None = None,
    block_bytes: int = BLOCK_BYTES,
    scratch: Path | None = None,
    on_disk: bool = False,
    signed: bool = False,
) -> Path:
    """Fit the tensor to each member of a series and write the sample sd of FA.

    One member after the other, slab by slab, so memory does not grow with their
    number (the running mean and sum of squares of Welford 1962, Technometrics
    4:419).

    Parameters
    ----------
    members : sequence of VolumeSource
        Open 4D series of equal shape, at least two.
    gradients : GradientTable
        Of all their volumes, all of which are used.
    mask : numpy.ndarray
        (x, y, z), bool; the map is 0 outside.
    out : pathlib.Path
        The map to write.
    folder : pathlib.Path
        Folder for the FA of one member, temporarily.
    threads : int, optional
        Threads for the fit; default: one per available CPU.
    block_bytes : int
        Size of the block of signals held in memory.
    scratch : pathlib.Path, optional
        Folder for data that do not fit into memory; default: the system's temporary folder.
    on_disk : bool
        Keep the fit there as well, instead of in memory.
    signed : bool
        As in `fit_tensor`.

    Returns
    -------
    pathlib.Path
        `out`.

    Raises
    ------
    InputError
        If a member is damaged.
    """
    if len(members) < 2:
        raise ValueError(f"no standard deviation of {len(members)} members")
    one = folder / "one_copy_fa.nii.gz"
    mean = np.zeros(np.count_nonzero(mask))
    squares = np.zeros_like(mean)
    volumes = range(gradients.n_volumes)
    for number, member in enumerate(members, start=1):
        fit_tensor(
            member,
            gradients,
            mask,
            {"fa": one},
            params=("fa",),
            volumes=volumes,
            threads=threads,
            block_bytes=block_bytes,
            scratch=scratch,
            on_disk=on_disk,
            signed=signed,
        )
        fa = load_volume(one)[0][mask]
        step = fa - mean
        mean += step / number
        squares += step * (fa - mean)
    one.unlink()
    image = np.zeros(mask.shape, np.float32)
    image[mask] = np.sqrt(squares / (len(members) - 1))
    write_image(out, image, members[0].affine, like=members[0].meta)
    return out


def subset(gradients: GradientTable, volumes: Sequence[int]) -> GradientTable:
    """Return the gradient table of some volumes, in their order."""
    return gradients.subset(list(volumes))
