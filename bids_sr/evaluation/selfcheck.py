"""The self-check: the user's own scan is downsampled, super-resolved and compared with itself."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from attrs import evolve, frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.diffusion.ensemble_sd import subset
from bids_sr.diffusion.run_masks import load_mask
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.errors import BidsSrError, DeviceLostError, OutputError
from bids_sr.evaluation.defaults import RIM
from bids_sr.evaluation.degraded_scan import DegradedScan, coarse_grid, degrade, interpolated
from bids_sr.evaluation.detail import detail_left, fit_series, reference_with_noise
from bids_sr.evaluation.sampling import few_volumes, middle_slices
from bids_sr.evaluation.scores import fidelity, fit_maps, map_errors
from bids_sr.evaluation.selfcheck_sample import Sample, cut_affine, with_noise
from bids_sr.images.band import keep_band
from bids_sr.images.grid import SliceGrid, from_slices, to_slices
from bids_sr.images.hot_voxels import find_hot_voxels
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.networks.training_data import seen_in_training
from bids_sr.quality.fidelity import erode
from bids_sr.quality.gain import (
    NETWORK,
    NOISE,
    SELF_CHECK,
    SELF_CHECK_METRICS,
    gain,
    key_of,
    noisy_gain_key,
    selfcheck_verdict,
)
from bids_sr.quality.high_band import HighBandFit
from bids_sr.quality.interpolation import METHODS
from bids_sr.quality.reference_noise import noise_deviation
from bids_sr.superres.engine import SuperResolvedDwi, super_resolve

_LOG = logging.getLogger("bids_sr")

Value = str | int | float | bool | None
Record = dict[str, Value]

_LEAST_SIDE = 8
"""Minimum pixels of a coarsened slice along each side."""
_LEAST_VOXELS = 200
"""Minimum number of brain voxels to compare."""


class _NoCheckError(Exception):
    """The scan does not allow a self-check; the message is the reason in one sentence."""


@frozen
class ComputeOptions:
    """Compute options of the run."""

    device: str = "auto"
    """As `bids_sr.superres.engine.super_resolve` takes it."""
    batch_size: int | None = None
    """Slices per batch; None: the device's default."""
    threads: int = 1
    """CPU threads."""
    detect_band: bool = True
    """Whether the run detected the input's measured band."""


def self_check(
    result: SuperResolvedDwi, mask: Path, folder: Path, mode: str, compute: ComputeOptions
) -> Record:
    """Coarsen the input of a run by its factor, super-resolve it, and compare with the input.

    Network, ensemble and data consistency are those of the run, at a voxel size
    coarser by the factor. Linear, cubic and sinc interpolation of the same coarsened
    input are scored too. The reference has the noise of the scan.

    Parameters
    ----------
    result : SuperResolvedDwi
        The run, its network and settings.
    mask : pathlib.Path
        Brain mask on the grid of the input.
    folder : pathlib.Path
        Parent of a temporary folder with small files.
    mode : str
        ``auto``: a few slices and volumes (`bids_sr.evaluation.sampling`); ``full``:
        all; ``off``: no self-check.
    compute : ComputeOptions
        Device and resources.

    Returns
    -------
    dict
        The metrics of `bids_sr.quality.gain` by method (`key_of`; None where
        undefined), and for the reference's noise alone (``_noise``);
        ``selfcheck_gain_<metric>_noisy``, the network's gain with the scan's noise restored
        in the coarsened scan; ``selfcheck_mode``, ``_volumes``, ``_slices``,
        ``_seconds``; ``selfcheck_reason``, why there are no metrics; ``selfcheck_note``,
        what limits them, and ``_left_note``; ``selfcheck_verdict``, and ``_verdict_noisy``
        with the noise.
    """
    started = time.monotonic()
    methods = (*METHODS, NETWORK, NOISE)
    record: Record = {key_of(f, method): None for f in SELF_CHECK_METRICS for method in methods}
    record |= {noisy_gain_key(metric): None for metric in SELF_CHECK_METRICS}
    more: Record = {"mode": mode, "volumes": 0, "slices": 0, "reason": "", "note": ""}
    more |= {"verdict_noisy": "", "left_note": "", "seen": ""}
    record |= {f"{SELF_CHECK}_{key}": value for key, value in more.items()}
    try:
        if mode == "off":
            record[f"{SELF_CHECK}_reason"] = "It was switched off (--self-check off)."
        else:
            with tempfile.TemporaryDirectory(dir=folder) as name:
                record |= _measure(result, load_mask(mask), Path(name), mode, compute)
    except _NoCheckError as reason:
        record[f"{SELF_CHECK}_reason"] = str(reason)
    except (OutputError, DeviceLostError):  # a full disk, for example: fail, and be repeated
        raise
    except BidsSrError as error:  # the run itself is fine: continue without the self-check
        record[f"{SELF_CHECK}_reason"] = f"It could not be made: {error.problem}"
        _LOG.warning("%s: no self-check: %s", result.run.files.label, error)
    record[f"{SELF_CHECK}_verdict"] = selfcheck_verdict(record)
    record[f"{SELF_CHECK}_seconds"] = round(time.monotonic() - started, 2)
    return record


def _measure(
    result: SuperResolvedDwi,
    mask: NDArray[np.bool_],
    folder: Path,
    mode: str,
    compute: ComputeOptions,
) -> Record:
    _check_band(result)
    sample = _sample(result, mask, folder, mode)
    degraded, tensor = sample.degraded, dti_volumes(sample.degraded.lr.gradients)
    _cut_band(degraded.truth, result)
    record: Record = {
        f"{SELF_CHECK}_volumes": len(sample.volumes),
        f"{SELF_CHECK}_slices": degraded.grid.shape[degraded.grid.slice_axis],
        f"{SELF_CHECK}_seen": seen_in_training(result.card, result.run.files.subject),
    }
    fit = fit_series(degraded, degraded.truth)
    record |= _metrics(result, sample, fit, folder, compute, (*METHODS, NETWORK, NOISE))
    notes = _notes(result, tensor.reason)
    sigma = noise_deviation(fit, result.band)
    if sigma is None:
        notes.append(f"{_less_noise(result)}; how much that is cannot be told from few directions.")
    else:
        notes.append(f"{_less_noise(result)}.")
        record |= _with_noise(result, sample, folder, compute, sigma)
    return {**record, f"{SELF_CHECK}_note": " ".join(notes)}


def _metrics(
    result: SuperResolvedDwi,
    sample: Sample,
    fit: HighBandFit,
    folder: Path,
    compute: ComputeOptions,
    methods: Sequence[str],
) -> Record:
    """Compare each method's result on the downsampled scan with the scan and its fits."""
    degraded, record = sample.degraded, Record()
    tensor = not dti_volumes(degraded.lr.gradients).reason
    reference = fit_maps(degraded, degraded.truth, compute.threads, gqi=False) if tensor else {}
    for method in methods:
        out = folder / f"{method}.nii"
        if method != NOISE:
            _restore(result, sample, method, out, compute)
        elif not reference_with_noise(degraded, fit, out, result.band):
            continue
        _cut_band(out, result)
        scores, detail = fidelity(degraded, out), detail_left(degraded, fit, out)
        if reference:
            maps = fit_maps(degraded, out, compute.threads, gqi=False)
            scores |= map_errors(degraded, reference, maps)
        scores |= detail.noise() if method == NOISE else detail.metrics()
        if method == NETWORK:
            record[f"{SELF_CHECK}_left_note"] = " ".join(detail.notes())
        record |= {
            key_of(metric, method): _rounded(scores, metric) for metric in SELF_CHECK_METRICS
        }
        out.unlink()
    return record


def _with_noise(
    result: SuperResolvedDwi, sample: Sample, folder: Path, compute: ComputeOptions, sigma: float
) -> Record:
    """Add the network's gain on a downsampled scan with the noise level of the scan."""
    noisy = with_noise(sample, sigma, folder, gapless=_gapless(result))
    fit = fit_series(noisy.degraded, noisy.degraded.truth)
    found = _metrics(result, noisy, fit, folder, compute, (*METHODS, NETWORK))
    gains = {metric: gain(found, metric) for metric in SELF_CHECK_METRICS}
    known = {metric: value for metric, value in gains.items() if value is not None}
    more: Record = {
        noisy_gain_key(metric): _rounded(known, metric) for metric in SELF_CHECK_METRICS
    }
    return {**more, f"{SELF_CHECK}_verdict_noisy": selfcheck_verdict(found)}


def _less_noise(result: SuperResolvedDwi) -> str:
    share = {2: "half", 3: "a third"}[result.grid.factor]
    return f"The coarser copy has {share} of the scan's noise"


def _gapless(result: SuperResolvedDwi) -> bool:
    return result.card.sees_series  # it reads neighbouring slices


def _check_band(result: SuperResolvedDwi) -> None:
    if max(result.band) * result.grid.factor <= 1:
        shares = " and ".join(f"{100 * share:.0f} %" for share in result.band)
        raise _NoCheckError(
            f"The slices hold signal in only {shares} of k-space: coarsening them would remove "
            "nothing."
        )


def _notes(result: SuperResolvedDwi, no_tensor: str | None) -> list[str]:
    filled = [
        f"{'ijk'[axis]} ({100 * share:.0f} % was measured)"
        for axis, share in zip(result.grid.in_plane, result.band, strict=True)
        if share < 1
    ]
    notes = []
    if filled:
        notes.append(
            f"The scan's k-space is not fully covered along {', '.join(filled)}: only the measured "
            "part is compared."
        )
    if no_tensor:
        notes.append(f"Images only, no tensor maps ({no_tensor.rstrip('.')}).")
    return notes


def _sample(result: SuperResolvedDwi, mask: NDArray[np.bool_], folder: Path, mode: str) -> Sample:
    run, axis, factor = result.run, result.grid.slice_axis, result.grid.factor
    inside = erode(mask, RIM, axis)
    if np.count_nonzero(inside) < _LEAST_VOXELS:
        raise _too_small(f"{np.count_nonzero(inside)} brain voxels are left inside the rim")
    full = [n // factor * factor for n in result.grid.shape]
    sides = [full[a] // factor for a in result.grid.in_plane]
    if min(sides) < _LEAST_SIDE:
        raise _too_small(f"coarsened slices would have {sides[0]} x {sides[1]} pixels")
    across = slice(None)
    if mode == "auto":
        occupied = np.asarray(to_slices(inside, axis).any(axis=(1, 2)))
        across = middle_slices(occupied, gapless=_gapless(result))
    cut = tuple(across if a == axis else slice(n) for a, n in enumerate(full))
    if np.count_nonzero(inside[cut]) < _LEAST_VOXELS:
        raise _too_small(f"{np.count_nonzero(inside[cut])} brain voxels are left to compare")
    volumes = few_volumes(run.gradients) if mode == "auto" else [*range(run.shape[3])]
    return _write(result, inside[cut], cut, volumes, folder)


def _too_small(problem: str) -> _NoCheckError:
    return _NoCheckError(f"The scan is too small to be coarsened: {problem}.")


def _write(
    result: SuperResolvedDwi,
    inside: NDArray[np.bool_],
    cut: tuple[slice, ...],
    volumes: list[int],
    folder: Path,
) -> Sample:
    """Write the chosen slices: fine, coarse, and coarse for all volumes."""
    run, axis, factor = result.run, result.grid.slice_axis, result.grid.factor
    affine = cut_affine(result.grid.affine, cut)
    grid = SliceGrid(*coarse_grid(inside.shape, affine, axis, factor), axis, factor)
    paths = [folder / f"{name}.nii" for name in ("truth", "coarse", "series")]
    with (
        DwiReader(run.files.dwi) as reader,
        VolumeWriter(paths[0], (*inside.shape, len(volumes)), affine, like=reader.meta) as fine,
        VolumeWriter(
            paths[1], (*grid.shape, len(volumes)), grid.affine, like=reader.meta
        ) as coarse,
        VolumeWriter(
            paths[2], (*grid.shape, run.shape[3]), grid.affine, like=reader.meta
        ) as series,
    ):
        for index in range(run.shape[3]):
            # a hot voxel would dominate the error of the network and of interpolation alike
            volume = reader.volume(index)
            volume = find_hot_voxels(volume, axis).taken_out(volume)[cut]
            small = degrade(volume, grid, signed=result.signed)
            series.write(small)
            if index in volumes:
                fine.write(volume)
                coarse.write(small)
    x, y, z = grid.shape
    chosen = subset(run.gradients, volumes)
    files = evolve(run.files, mask=None, name=run.files.label)
    lr = DwiRun(evolve(files, dwi=paths[1]), chosen, (x, y, z, len(volumes)))
    whole = DwiRun(evolve(files, dwi=paths[2]), run.gradients, (x, y, z, run.shape[3]))
    degraded = DegradedScan(paths[0], lr, grid, inside, signed=result.signed)
    return Sample(whole, volumes, degraded)


def _restore(
    result: SuperResolvedDwi, sample: Sample, method: str, out: Path, compute: ComputeOptions
) -> None:
    if method != NETWORK:
        interpolated(sample.degraded, method, out)
        return
    super_resolve(
        sample.series,
        result.card,
        out,
        device=compute.device,
        batch_size=compute.batch_size,
        threads=compute.threads,
        data_consistency=result.data_consistency,
        ensemble=result.ensemble,
        detect_band=compute.detect_band,
        slice_axis=sample.degraded.grid.slice_axis,
        volumes=sample.volumes,
        progress=lambda: None,
        signed=result.signed,
        precision=result.precision,
    )


def _cut_band(path: Path, result: SuperResolvedDwi) -> None:
    """Limit a fine series to the measured band, beyond which the reference is empty."""
    if min(result.band) >= 1:
        return
    axis, cut = result.grid.slice_axis, path.with_name(f"cut-{path.name}")
    with (
        DwiReader(path) as reader,
        VolumeWriter(cut, reader.shape, reader.affine, like=reader.meta) as writer,
    ):
        for index in range(reader.shape[3]):
            slices = np.ascontiguousarray(to_slices(reader.volume(index), axis))
            kept = keep_band(torch.from_numpy(slices), result.band)
            kept = kept if result.signed else kept.clamp_min(0)
            writer.write(from_slices(kept.numpy(), axis))
    cut.replace(path)


def _rounded(scores: Mapping[str, float], metric: str) -> float | None:
    value = scores.get(metric, math.nan)
    return float(f"{value:.6g}") if math.isfinite(value) else None
