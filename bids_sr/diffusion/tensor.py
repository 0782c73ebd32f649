"""The diffusion tensor, by weighted least squares, and its maps."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.bids.names import TENSOR_PARAMS
from bids_sr.diffusion.eigen import main_direction
from bids_sr.diffusion.frames import world_directions
from bids_sr.diffusion.nls import fit_nls
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.diffusion.voxelwise import BLOCK_BYTES, Out, map_voxels, path_of, write_map
from bids_sr.diffusion.wls import fit_wls
from bids_sr.errors import InputError
from bids_sr.images.nifti import DwiReader, VolumeSource

_LOG = logging.getLogger("bids_sr")

_COLUMNS: Mapping[str, slice] = {
    "fa": slice(0, 1),
    "md": slice(1, 2),
    "ad": slice(2, 3),
    "rd": slice(3, 4),
    "s0": slice(4, 5),
    "colorfa": slice(5, 8),
    "v1": slice(8, 11),
    "tensor": slice(11, 17),
    "negative": slice(17, 18),
    "floored": slice(18, 19),
    "failed": slice(19, 20),
    "unfitted": slice(20, 21),
}
FIT_WIDTH = 21
"""Values that a fit keeps per voxel."""

TENSOR_ORDER = (0, 1, 3, 2, 4, 5)
"""dipy's lower triangle (xx, xy, yy, xz, yz, zz) in the order of BEP016 and FSL:
D11, D12, D13, D22, D23, D33."""

FLOOR = 1e-3
"""Signals below this fraction of the voxel's mean b0 are raised to it: their logarithm would not
exist, or dominate the fit. Free water is at 5e-2 for b = 1000."""


@frozen
class TensorMaps:
    """Maps of a tensor fit, on disk."""

    paths: dict[str, Path]
    """Map of each parameter written."""
    volumes: tuple[int, ...]
    """Volumes the tensor was fitted to."""
    summary: dict[str, float]
    """``n_voxels``; of these, as fractions: ``negative_eigenvalue_fraction`` (at
    least one eigenvalue of the tensor as fitted is below zero),
    ``nonfinite_fraction`` (fit failed), ``unfitted_fraction`` (mean b0 not above
    zero); ``floored_fraction`` of all signals (0 if signed)."""


def fit_parameters(*, signed: bool) -> dict[str, str]:
    """Describe the fit of `fit_tensor` in the words of BEP016, for sidecars."""
    return {"FitMethod": "nlls" if signed else "wls", "OutlierRejectionMethod": "None"}


def fit_tensor(
    dwi: Path | VolumeSource,
    gradients: GradientTable,
    mask: NDArray[np.bool_],
    out: Out,
    *,
    params: Sequence[str] = TENSOR_PARAMS,
    volumes: Sequence[int] | None = None,
    threads: int | None = None,
    block_bytes: int = BLOCK_BYTES,
    scratch: Path | None = None,
    on_disk: bool = False,
    signed: bool = False,
) -> TensorMaps:
    """Fit a tensor in every voxel of a mask and write the maps.

    Weighted least squares on the log signal, as dipy's (Chung et al. 2006, NeuroImage
    33:531: weights are the squared signals predicted by an ordinary fit;
    `bids_sr.diffusion.wls`). FA, MD,
    AD, RD and colour FA come from the eigenvalues, negative ones set to zero; the
    tensor itself is written as fitted. For signed signals a logarithm would discard half of the
    noise: nonlinear least squares then continue from that fit (`bids_sr.diffusion.nls`).
    Orientations are in world coordinates (see `bids_sr.diffusion.frames`).

    Parameters
    ----------
    dwi : pathlib.Path or VolumeSource
        4D series.
    gradients : GradientTable
        Of all its volumes, FSL convention.
    mask : numpy.ndarray
        (x, y, z), bool. Voxels outside are zero in every map.
    out : callable or mapping
        Path of each parameter's map.
    params : sequence of str
        Maps to write: ``fa``, ``md``, ``ad``, ``rd`` (mm2/s), ``s0`` (unit of the
        input), ``colorfa`` (x, y, z, 3: absolute world components of V1 times FA),
        ``v1`` (x, y, z, 3: unit vector of arbitrary sign), ``tensor`` (x, y, z, 6:
        D11, D12, D13, D22, D23, D33, mm2/s, the order of BEP016 and FSL).
    volumes : sequence of int, optional
        Volumes to fit to; default: `dti_volumes`.
    threads : int, optional
        Threads for the fit; default: one per available CPU.
    block_bytes : int
        Size of the block of signals held in memory.
    scratch : pathlib.Path, optional
        Folder for data that do not fit into memory; default: the system's temporary folder.
    on_disk : bool
        Keep the fit there as well, instead of in memory.
    signed : bool
        Whether the series is signed (`bids_sr.images.series_checks`).

    Returns
    -------
    TensorMaps
        Paths of the maps, and how many voxels could not be fitted.

    Raises
    ------
    InputError
        If the gradients do not determine a tensor, or the file is damaged.
    """
    chosen = _volumes(dwi if isinstance(dwi, Path) else dwi.path, gradients, volumes)
    with DwiReader(dwi) if isinstance(dwi, Path) else nullcontext(dwi) as reader:
        design = _design(gradients, chosen, reader.affine)
        work = partial(_fit, design=design, is_b0=gradients.is_b0[chosen], signed=signed)
        values = map_voxels(
            reader,
            mask,
            chosen,
            work,
            FIT_WIDTH,
            threads=threads,
            block_bytes=block_bytes,
            scratch=scratch,
            on_disk=on_disk,
        )
        paths = {param: path_of(out, param) for param in params}
        for param, path in paths.items():
            write_map(path, values[:, _COLUMNS[param]], mask, reader)
    summary = _summary(values, len(chosen))
    _LOG.debug("tensor fit of %s: %s", reader.path, summary)
    return TensorMaps(paths, tuple(chosen), summary)


def fit_signals(
    signals: NDArray[np.float32],
    gradients: GradientTable,
    affine: NDArray[np.float64],
    *,
    signed: bool = False,
) -> dict[str, NDArray[np.float32]]:
    """Fit a tensor to signals in memory, as `fit_tensor` does.

    Parameters
    ----------
    signals : numpy.ndarray
        (n, V), voxels by volumes.
    gradients : GradientTable
        Of these V volumes.
    affine : numpy.ndarray
        (4, 4), of the image: maps are in world coordinates.
    signed : bool
        Whether the series is signed.

    Returns
    -------
    dict of str to numpy.ndarray
        ``fa`` and ``md`` (n,); ``colorfa`` and ``v1`` (n, 3). Zero where the fit failed.
    """
    design = _design(gradients, list(range(gradients.n_volumes)), affine)
    values = _fit(signals, design, gradients.is_b0, signed=signed)
    return {
        name: values[:, _COLUMNS[name]].squeeze(axis=-1)
        if name in ("fa", "md")
        else values[:, _COLUMNS[name]]
        for name in ("fa", "md", "colorfa", "v1")
    }


def _volumes(dwi: Path, gradients: GradientTable, volumes: Sequence[int] | None) -> list[int]:
    if volumes is not None:
        return list(volumes)
    selection = dti_volumes(gradients)
    if selection.reason:
        raise InputError(selection.reason, file=dwi, remedy="Leave out the tensor maps.")
    return list(selection.indices)


def _design(
    gradients: GradientTable, chosen: list[int], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return dipy's design matrix (V, 7), with directions in world coordinates."""
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import design_matrix

    table = gradient_table(
        gradients.bvals[chosen],
        bvecs=world_directions(gradients.bvecs[chosen], affine),
        b0_threshold=gradients.b0_threshold,
    )
    design: NDArray[np.float64] = design_matrix(table)
    return design


def _fit(
    signals: NDArray[np.float32],
    design: NDArray[np.float64],
    is_b0: NDArray[np.bool_],
    *,
    signed: bool = False,
) -> NDArray[np.float32]:
    """Fit (n, V) signals; return (n, 21) values, see `_COLUMNS`."""
    values = np.zeros((len(signals), FIT_WIDTH), dtype=np.float32)
    mean_b0 = signals[:, is_b0].mean(axis=1, dtype=np.float64)
    good: NDArray[np.bool_] = np.greater(mean_b0, 0)
    values[~good, _COLUMNS["unfitted"]] = 1
    if not good.any():
        return values
    relative = signals[good] / mean_b0[good, None]
    lower = fit_wls(design, np.maximum(relative, FLOOR))
    if signed:
        lower = fit_nls(design, relative, lower)
    fitted = _from_lower_triangle(lower, mean_b0[good])
    if not signed:
        fitted[:, _COLUMNS["floored"]] = (relative < FLOOR).mean(axis=1, keepdims=True)
    values[good] = fitted
    return values


def _from_lower_triangle(
    lower: NDArray[np.float64], mean_b0: NDArray[np.float64]
) -> NDArray[np.float32]:
    values = np.zeros((len(lower), FIT_WIDTH), dtype=np.float32)
    failed: NDArray[np.bool_] = np.logical_not(np.isfinite(lower).all(axis=1))
    lower = np.where(failed[:, None], 0.0, lower)
    as_fitted, v1 = main_direction(lower[:, :6])
    evals = as_fitted.clip(min=0)
    fa = fractional_anisotropy(evals)[:, None]
    columns = {
        "fa": fa,
        "md": evals.mean(axis=1, keepdims=True),
        "ad": evals[:, 2:],
        "rd": evals[:, :2].mean(axis=1, keepdims=True),
        "s0": (mean_b0 * np.exp(-lower[:, 6]))[:, None],
        "colorfa": fa * np.abs(v1),
        "v1": v1,
        "tensor": lower[:, TENSOR_ORDER],
        "negative": as_fitted[:, :1] < 0,  # the smallest
    }
    with np.errstate(over="ignore"):  # S0 of a failed voxel may overflow float32
        for name, column in columns.items():
            values[:, _COLUMNS[name]] = column
    failed |= ~np.isfinite(values).all(axis=1)
    values[failed] = 0
    values[failed, _COLUMNS["failed"]] = 1
    return values


def fractional_anisotropy(evals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return FA of eigenvalues (n, 3) as (n,), 0 where all are zero.

    Basser and Pierpaoli 1996, J Magn Reson B 111:209.
    """
    deviation = evals - evals.mean(axis=1, keepdims=True)
    power = (evals**2).sum(axis=1)
    ratio = 1.5 * (deviation**2).sum(axis=1) / np.where(power > 0, power, 1.0)
    return np.sqrt(ratio)


def _summary(values: NDArray[np.float32], n_volumes: int) -> dict[str, float]:
    voxels = len(values)

    def share(column: str) -> float:
        return float(values[:, _COLUMNS[column]].mean(dtype=np.float64)) if voxels else 0.0

    return {
        "n_voxels": float(voxels),
        "negative_eigenvalue_fraction": share("negative"),
        "nonfinite_fraction": share("failed"),
        "unfitted_fraction": share("unfitted"),
        "floored_fraction": share("floored"),
    }
