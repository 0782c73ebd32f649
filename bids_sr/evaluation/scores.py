"""Scores of one result: fidelity of the images, and errors of the maps fitted to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_sr.diffusion.gqi import fit_gqi
from bids_sr.diffusion.tensor import fit_tensor
from bids_sr.diffusion.volume_selection import gqi_volumes
from bids_sr.evaluation.degraded_scan import DegradedScan
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.quality.fidelity import peak_of, psnr, ssim
from bids_sr.quality.tensor_errors import mean_absolute_error, v1_angle, white_matter


def fidelity(degraded: DegradedScan, path: Path) -> dict[str, float]:
    """Return mean PSNR and SSIM in the mask, for the b0s and for the weighted volumes.

    Parameters
    ----------
    degraded : DegradedScan
        Provides the reference.
    path : pathlib.Path
        4D image on the grid of the reference.

    Returns
    -------
    dict of str to float
        ``psnr_b0`` and ``psnr_dwi``, dB; ``ssim_b0`` and ``ssim_dwi``; and
        ``psnr_mean``, the PSNR of the mean over all weighted volumes, dB.
    """
    scores: dict[str, list[float]] = {}
    means = [np.zeros(degraded.mask.shape, np.float32) for _ in range(2)]
    with DwiReader(degraded.truth) as truth, DwiReader(path) as test:
        for index, is_b0 in enumerate(degraded.lr.gradients.is_b0):
            pair = truth.volume(index), test.volume(index)
            peak = peak_of(pair[0], degraded.mask)
            kind = "b0" if is_b0 else "dwi"
            scores.setdefault(f"psnr_{kind}", []).append(psnr(*pair, degraded.mask, peak))
            scores.setdefault(f"ssim_{kind}", []).append(
                ssim(*pair, degraded.mask, peak, degraded.grid.slice_axis)
            )
            if not is_b0:
                for mean, volume in zip(means, pair, strict=True):
                    mean += volume
    scores["psnr_mean"] = [
        psnr(means[0], means[1], degraded.mask, peak_of(means[0], degraded.mask))
    ]
    return {key: float(np.mean(values)) for key, values in scores.items()}


def fit_maps(
    degraded: DegradedScan, path: Path, threads: int, *, gqi: bool = True
) -> dict[str, Path]:
    """Fit the tensor, and GQI where the directions allow it, inside the mask.

    Parameters
    ----------
    degraded : DegradedScan
        Provides mask and gradients.
    path : pathlib.Path
        4D image on the grid of the reference; the maps are written beside it.
    threads : int
        CPU threads.
    gqi : bool
        Whether to fit GQI.

    Returns
    -------
    dict of str to pathlib.Path
        ``fa``, ``md``, ``v1``, and ``qa`` unless GQI is not possible.
    """
    out = {p: path.with_name(f"{p}-{path.name}") for p in ("fa", "md", "v1", "qa")}
    tensor = ("fa", "md", "v1")
    gradients, mask = degraded.lr.gradients, degraded.mask
    fit = fit_tensor(
        path, gradients, mask, out, params=tensor, threads=threads, signed=degraded.signed
    )
    maps = dict(fit.paths)
    if gqi and not gqi_volumes(gradients).reason:
        maps |= fit_gqi(path, gradients, mask, out, params=("qa",), threads=threads)
    return maps


def map_errors(
    degraded: DegradedScan, reference: dict[str, Path], test: dict[str, Path]
) -> dict[str, float]:
    """Return the errors of maps relative to those fitted to the reference.

    Parameters
    ----------
    degraded : DegradedScan
        Provides the mask.
    reference, test : dict of str to pathlib.Path
        As returned by `fit_maps`.

    Returns
    -------
    dict of str to float
        Mean absolute errors in the mask: ``fa_mae``, ``md_mae`` (1e-3 mm2/s) and,
        where there is GQI, ``qa_mae``; ``v1_deg``, the median angle between the
        principal directions in the reference's white matter; ``wm_voxels``.
    """

    def pair(param: str) -> tuple[np.ndarray, np.ndarray]:
        one, other = (load_volume(maps[param])[0] for maps in (reference, test))
        return one, other

    fa, md = pair("fa"), pair("md")
    white = white_matter(fa[0], md[0], degraded.mask)
    v1 = [_vectors(maps["v1"]) for maps in (reference, test)]
    errors = {
        "fa_mae": mean_absolute_error(*fa, degraded.mask),
        "md_mae": 1e3 * mean_absolute_error(*md, degraded.mask),
        "v1_deg": v1_angle(v1[0], v1[1], white),
        "wm_voxels": float(white.sum()),
    }
    if "qa" in reference:
        errors["qa_mae"] = mean_absolute_error(*pair("qa"), degraded.mask)
    return errors


def _vectors(path: Path) -> np.ndarray:
    with DwiReader(path) as reader:
        return np.stack([reader.volume(i) for i in range(3)], axis=-1)
