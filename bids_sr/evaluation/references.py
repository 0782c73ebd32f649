"""References for a super-resolved scan: the scan, the denoised scan, or a known truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun, refuse_not_linear
from bids_sr.diffusion.denoising import denoised
from bids_sr.images.nifti import DwiReader
from bids_sr.images.series_checks import SeriesChecks, checked_volumes


@frozen(eq=False)
class Reference:
    """A scan to be degraded, and the truth to compare the result with."""

    scanned: NDArray[np.float32]
    """The series to degrade, (x, y, z, V)."""
    truth: NDArray[np.float32]
    """The reference for the result, (x, y, z, V)."""
    sigma: float
    """Standard deviation of noise added to the truth to make the scan; 0 if it is a real scan."""


Cut = tuple[slice, ...]


def make_reference(
    run: DwiRun, mask: NDArray[np.bool_], kind: str, work: Path, cut: Cut = (slice(None),) * 3
) -> Reference:
    """Return scan and truth.

    `scan`: the scan is its own, noisy, truth. `denoised`: the truth is the scan
    after MP-PCA (Veraart et al., NeuroImage 142, 394, 2016). `synthetic`: the
    truth is the signal that a tensor fit to the denoised scan predicts in the
    brain, noise-free and with known FA and V1; the scan is that truth with
    Rician noise at the real scan's level.

    Parameters
    ----------
    run : DwiRun
        The scan.
    mask : numpy.ndarray
        Brain, (x, y, z) bool.
    kind : str
        One of `bids_sr.evaluation.defaults.REFERENCES`.
    work : pathlib.Path
        Folder that caches the denoised scan, which takes minutes to compute.
    cut : tuple of slice
        Voxels of x, y and z to keep. A scan that is its own reference is never
        held in memory as a whole; the others are computed from the whole scan first.

    Returns
    -------
    Reference

    Raises
    ------
    InputError
        If the scan cannot be read, or no tensor can be fitted to it since its
        encoding is not linear.
    """
    refuse_not_linear(run)
    if kind == "scan":
        scan = _read(run, cut)
        return Reference(scan, scan, 0.0)
    whole = _of_whole_scan(run, mask, kind, work)
    return Reference(whole.scanned[cut], whole.truth[cut], whole.sigma)


def _read(run: DwiRun, cut: Cut = (slice(None),) * 3) -> NDArray[np.float32]:
    with DwiReader(run.files.dwi) as reader:
        checks = SeriesChecks(run.files.sidecar)
        volumes = checked_volumes(reader, checks)
        scan = np.stack([volume[cut] for volume in volumes], axis=-1)
        reader.refuse_nonfinite()
        checks.refuse_signed(run.files.dwi, "degrading them makes magnitudes, as scanners do")
    return scan


def _of_whole_scan(run: DwiRun, mask: NDArray[np.bool_], kind: str, work: Path) -> Reference:
    scan = _read(run)
    clean = np.asarray(denoised(run, work))
    if kind == "denoised":
        return Reference(scan, clean, 0.0)
    truth = _predicted(run, clean, mask)
    sigma = noise_level(run, scan, mask)
    generator = np.random.default_rng(0)
    real, imaginary = (
        generator.standard_normal(truth.shape, np.float32) * np.float32(sigma) for _ in range(2)
    )
    return Reference(np.hypot(truth + real, imaginary), truth, sigma)


def noise_level(run: DwiRun, scan: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Return the scan's noise level: the median over the brain of the tensor fit's residual.

    Root of the sum of squares over the volumes less the seven unknowns. What the
    tensor cannot describe counts as noise, so this is an upper estimate.
    """
    residual = (scan - _predicted(run, scan, mask))[mask]
    freedom = residual.shape[-1] - 7
    return float(np.median(np.sqrt((residual**2).sum(-1) / freedom)))


def _predicted(
    run: DwiRun, series: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Replace the brain's signals by those of dipy's weighted tensor fit."""
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    gradients = run.gradients
    table = gradient_table(gradients.bvals * ~gradients.is_b0, bvecs=gradients.bvecs)
    fit = TensorModel(table, fit_method="WLS", return_S0_hat=True).fit(series, mask=mask)
    result = series.copy()
    ceiling = series.max(axis=-1, keepdims=True)
    result[mask] = np.clip(fit.predict(table, S0=fit.S0_hat), 0, ceiling)[mask]
    return result
