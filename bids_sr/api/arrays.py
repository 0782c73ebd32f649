"""Super-resolution of a series in memory, by way of temporary files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from bids_sr.api.series import super_resolve
from bids_sr.errors import InputError
from bids_sr.images.nifti import write_image
from bids_sr.images.nifti_file import NiftiFile


@frozen(eq=False)
class SuperResolvedArray:
    """A super-resolved series in memory, with its gradients, mask and maps."""

    data: NDArray[np.float32]
    """(x, y, z, volumes), in the unit of the input."""
    affine: NDArray[np.float64]
    """(4, 4), voxel indices to world mm."""
    bvals: NDArray[np.float64]
    """(volumes,), s/mm2."""
    bvecs: NDArray[np.float64]
    """(volumes, 3), unit vectors, FSL's convention."""
    mask: NDArray[np.bool_] | None
    """Brain mask, (x, y, z), if maps were requested."""
    maps: dict[str, NDArray[np.float32]]
    """Diffusion maps by parameter, (x, y, z) or (x, y, z, n)."""
    notes: tuple[str, ...]
    """Notes and warnings about the result, in full sentences."""
    factor: int
    """In-plane factor."""
    model: str
    """Name of the network."""
    device: str
    """Compute device."""
    seconds: float
    """Wall time, s."""


def super_resolve_array(
    data: ArrayLike,
    affine: ArrayLike,
    bvals: ArrayLike,
    bvecs: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    metadata: Mapping[str, Any] | None = None,
    maps: bool | Collection[str] = False,
    **options: Any,
) -> SuperResolvedArray:
    """Super-resolve a diffusion series in memory, as `super_resolve` does one on disk.

    Parameters
    ----------
    data : array_like
        (x, y, z, volumes), two volumes or more. Not modified. Integers of up to 32 bits
        keep their type; everything else is converted to float32.
    affine : array_like
        (4, 4), voxel indices to world mm.
    bvals : array_like
        (volumes,), s/mm2.
    bvecs : array_like
        (volumes, 3) or (3, volumes), as in FSL's files: along the voxel axes, the first one
        reversed if the determinant of `affine` is positive.
    mask : array_like, optional
        (x, y, z), nonzero in the brain; default: estimated if needed.
    metadata : mapping, optional
        Fields of a BIDS sidecar, such as ``SliceEncodingDirection``.
    maps : bool or collection of str
        Diffusion maps to compute, as for `super_resolve`.
    **options
        Other options of `super_resolve`, except files and `overwrite`: ``factor``,
        ``model``, ``device``, ``ensemble``, ``threads`` and so on.

    Returns
    -------
    SuperResolvedArray
        Arrays, and what should be known about the series.

    Raises
    ------
    InputError
        If shapes do not match, or the series cannot be used.
    UsageError, DeviceError, ModelError, OutputError
        As `super_resolve`; `OutputError` also if temporary files cannot be written.

    Notes
    -----
    Input and output are held uncompressed in the system's temporary folder while this runs.

    Examples
    --------
    >>> import bids_sr, nibabel
    >>> image = nibabel.load("dwi.nii.gz")  # doctest: +SKIP
    >>> sr = bids_sr.super_resolve_array(
    ...     image.dataobj, image.affine, bvals, bvecs, factor=2
    ... )  # doctest: +SKIP
    """
    if wrong := sorted({"bval", "bvec", "json", "overwrite", "out"} & options.keys()):
        raise TypeError(f"super_resolve_array() takes no argument '{wrong[0]}'")
    with tempfile.TemporaryDirectory(prefix="bids_sr-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        dwi, matrix = _write(folder, data, affine, bvals, bvecs)
        given: dict[str, Any] = (
            {} if mask is None else {"mask": _write_mask(folder, mask, dwi[1], matrix)}
        )
        if metadata is not None:
            (folder / "array.json").write_text(json.dumps(dict(metadata)), encoding="utf-8")
        made = super_resolve(dwi[0], folder / "out" / "sr.nii", maps=maps, **given, **options)
        values, grid = _load(made.dwi)
        return SuperResolvedArray(
            data=values,
            affine=grid,
            bvals=np.loadtxt(made.bval, ndmin=1),
            bvecs=np.loadtxt(made.bvec, ndmin=2).T,
            mask=None if made.mask is None else _load(made.mask)[0] > 0,
            maps={param: _load(path)[0] for param, path in made.maps.items()},
            notes=made.notes,
            factor=made.factor,
            model=made.model,
            device=made.device,
            seconds=made.seconds,
        )


def _write(
    folder: Path, data: ArrayLike, affine: ArrayLike, bvals: ArrayLike, bvecs: ArrayLike
) -> tuple[tuple[Path, tuple[int, ...]], NDArray[np.float64]]:
    """Write a series and its gradients; return its path, shape and affine."""
    values, matrix = np.asarray(data), np.asarray(affine, dtype=np.float64)
    lengths, vectors = np.asarray(bvals, np.float64).ravel(), np.asarray(bvecs, np.float64)
    if values.ndim != 4 or values.dtype.kind not in "iuf":
        raise InputError(
            f"data: shape {values.shape} of {values.dtype} is not (x, y, z, volumes) of numbers."
        )
    if matrix.shape != (4, 4):
        raise InputError(f"affine: shape {matrix.shape} is not (4, 4).")
    volumes = values.shape[3]
    if lengths.size != volumes:
        raise InputError(f"bvals: {lengths.size} for {volumes} volumes.")
    if vectors.shape not in ((volumes, 3), (3, volumes)):
        raise InputError(f"bvecs: shape {vectors.shape} is not ({volumes}, 3).")
    # three directions: rows of the array are volumes, rows of the file are components
    rows = vectors.T if vectors.shape == (volumes, 3) else vectors
    path = folder / "array.nii"
    whole = values.dtype.kind in "iu" and values.dtype.itemsize <= 4
    write_image(path, values if whole else values.astype(np.float32, copy=False), matrix)
    np.savetxt(path.with_suffix(".bval"), lengths[None], fmt="%.17g")
    np.savetxt(path.with_suffix(".bvec"), rows, fmt="%.17g")
    return (path, values.shape), matrix


def _write_mask(
    folder: Path, mask: ArrayLike, shape: tuple[int, ...], affine: NDArray[np.float64]
) -> Path:
    values = np.asarray(mask)
    if values.shape != shape[:3]:
        raise InputError(f"mask: shape {values.shape} is not {shape[:3]}, that of the data.")
    write_image(folder / "array_mask.nii", values != 0, affine)
    return folder / "array_mask.nii"


def _load(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    file = NiftiFile(path)
    try:
        shape = file.meta.shape
        if len(shape) == 3:
            return file.volume(0), file.meta.affine
        values = np.empty(shape, np.float32, order="F")
        for index in range(shape[3]):
            values[..., index] = file.volume(index)
        return values, file.meta.affine
    finally:
        file.close()
