"""The self-check: the user's own scan, coarsened, brought back, and compared with itself."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from attrs import evolve, frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.diffusion.run_masks import load_mask
from bids_sr.diffusion.selection import dti_volumes
from bids_sr.diffusion.spread import subset
from bids_sr.errors import BidsSrError, OutputError
from bids_sr.evaluation.defaults import RIM
from bids_sr.evaluation.sampling import few_volumes, middle_slices
from bids_sr.evaluation.scores import fidelity, fit_maps, map_errors
from bids_sr.evaluation.trial import Trial, coarse_grid, degrade, interpolated
from bids_sr.images.band import keep_band
from bids_sr.images.grid import SliceGrid, from_slices, to_slices
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.networks.channels import NEIGHBOURS
from bids_sr.networks.training_data import seen_in_training
from bids_sr.quality.fidelity import erode
from bids_sr.quality.gain import FIGURES, NETWORK, SELF_CHECK, selfcheck_verdict
from bids_sr.quality.interpolation import METHODS
from bids_sr.superres.engine import SuperResolvedDwi, super_resolve

_LOG = logging.getLogger("bids_sr")

Value = str | int | float | bool | None
Record = dict[str, Value]

_LEAST_SIDE = 8
"""Pixels that a coarsened slice must have along each side."""
_LEAST_VOXELS = 200
"""Brain voxels that must be left to compare."""


class _NoCheckError(Exception):
    """The scan does not allow a self-check; says why in one sentence."""


@frozen
class Means:
    """With what the run was computed."""

    device: str = "auto"
    """As `bids_sr.superres.engine.super_resolve` takes it."""
    batch_size: int | None = None
    """Slices at once; None: the device's default."""
    threads: int = 1
    """CPU threads."""
    detect_band: bool = True
    """Whether the run looked for the input's measured band."""


@frozen(eq=False)
class _Sample:
    """The part of a scan that is looked at."""

    series: DwiRun
    """Its chosen slices coarsened, all volumes: the network gathers what they share."""
    volumes: list[int]
    """Volumes that are super-resolved and compared."""
    trial: Trial
    """Those volumes alone, coarse and fine."""


def self_check(
    result: SuperResolvedDwi, mask: Path, folder: Path, mode: str, means: Means
) -> Record:
    """Coarsen the input of a run by its factor, super-resolve that, compare with the input.

    The same network, ensemble and data consistency as in the run, at a voxel size
    coarser by the factor; beside it linear, cubic and sinc interpolation of the
    same coarsened input. The reference is as noisy as the scan is.

    Parameters
    ----------
    result : SuperResolvedDwi
        The run, its network and settings.
    mask : pathlib.Path
        Brain on the grid of the input.
    folder : pathlib.Path
        Takes a temporary folder of small files.
    mode : str
        ``auto``: a few slices and volumes (`bids_sr.evaluation.sampling`); ``full``:
        all; ``off``: nothing is done.
    means : Means
        With what to compute.

    Returns
    -------
    dict
        ``selfcheck_<figure>_<method>`` for the figures and methods of
        `bids_sr.quality.gain` (None where there is none); ``selfcheck_mode``,
        ``_volumes``, ``_slices``, ``_seconds``; ``selfcheck_reason``, why there are no
        figures; ``selfcheck_note``, what limits them; ``selfcheck_verdict``.
    """
    started = time.monotonic()
    record: Record = {
        f"{SELF_CHECK}_{figure}_{method}": None
        for figure in FIGURES
        for method in (*METHODS, NETWORK)
    }
    more: Record = {"mode": mode, "volumes": 0, "slices": 0, "reason": "", "note": ""}
    record |= {f"{SELF_CHECK}_{key}": value for key, value in more.items()}
    try:
        if mode == "off":
            record[f"{SELF_CHECK}_reason"] = "It was switched off (--self-check off)."
        else:
            with tempfile.TemporaryDirectory(dir=folder) as name:
                record |= _measure(result, load_mask(mask), Path(name), mode, means)
    except _NoCheckError as reason:
        record[f"{SELF_CHECK}_reason"] = str(reason)
    except OutputError:  # a full disk, say: the run fails, and is made again when there is room
        raise
    except BidsSrError as error:  # the run itself is fine: it goes on without
        record[f"{SELF_CHECK}_reason"] = f"It could not be made: {error.problem}"
        _LOG.warning("%s: no self-check: %s", result.run.files.label, error)
    record[f"{SELF_CHECK}_verdict"] = selfcheck_verdict(record)
    record[f"{SELF_CHECK}_seconds"] = round(time.monotonic() - started, 2)
    return record


def _measure(
    result: SuperResolvedDwi, mask: NDArray[np.bool_], folder: Path, mode: str, means: Means
) -> Record:
    _check_band(result)
    sample = _sample(result, mask, folder, mode)
    trial, tensor = sample.trial, dti_volumes(sample.trial.lr.gradients)
    _cut_band(trial.truth, result)
    reference = {} if tensor.reason else fit_maps(trial, trial.truth, means.threads, gqi=False)
    record: Record = {
        "volumes": len(sample.volumes),
        "slices": trial.grid.shape[trial.grid.slice_axis],
        "note": " ".join(_notes(result, tensor.reason)),
    }
    for method in (*METHODS, NETWORK):
        out = folder / f"{method}.nii"
        _restore(result, sample, method, out, means)
        _cut_band(out, result)
        scores = fidelity(trial, out)
        if reference:
            maps = fit_maps(trial, out, means.threads, gqi=False)
            scores |= map_errors(trial, reference, maps)
        record |= {f"{figure}_{method}": _rounded(scores, figure) for figure in FIGURES}
        out.unlink()
    return {f"{SELF_CHECK}_{key}": value for key, value in record.items()}


def _check_band(result: SuperResolvedDwi) -> None:
    if max(result.band) * result.grid.factor <= 1:
        shares = " and ".join(f"{share:.0%}" for share in result.band)
        raise _NoCheckError(
            f"The slices are zero-filled (measured: {shares} of the band): coarsening them would "
            "take nothing away."
        )


def _notes(result: SuperResolvedDwi, no_tensor: str | None) -> list[str]:
    filled = [
        f"{'ijk'[axis]} ({share:.0%} of the band is measured)"
        for axis, share in zip(result.grid.in_plane, result.band, strict=True)
        if share < 1
    ]
    seen = seen_in_training(result.card, result.run.files.subject)
    notes = [seen] if seen else []
    if filled:
        notes.append(
            f"The scan is itself zero-filled along {', '.join(filled)}: only what was measured "
            "is compared."
        )
    if no_tensor:
        notes.append(f"Images only, no tensor maps ({no_tensor.rstrip('.')}).")
    return notes


def _sample(result: SuperResolvedDwi, mask: NDArray[np.bool_], folder: Path, mode: str) -> _Sample:
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
        gapless = not set(NEIGHBOURS).isdisjoint(result.card.channels)
        across = middle_slices(occupied, gapless=gapless)
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
) -> _Sample:
    """Write the chosen slices: fine, coarse, and the coarse ones of all volumes."""
    run, axis, factor = result.run, result.grid.slice_axis, result.grid.factor
    affine = _cut_affine(result.grid.affine, cut)
    grid = SliceGrid(*coarse_grid(inside.shape, affine, axis, factor), axis, factor)
    paths = [folder / f"{name}.nii" for name in ("truth", "coarse", "series")]
    with (
        DwiReader(run.files.dwi) as reader,
        VolumeWriter(paths[0], (*inside.shape, len(volumes)), affine, like=reader.header) as fine,
        VolumeWriter(
            paths[1], (*grid.shape, len(volumes)), grid.affine, like=reader.header
        ) as coarse,
        VolumeWriter(
            paths[2], (*grid.shape, run.shape[3]), grid.affine, like=reader.header
        ) as series,
    ):
        for index in range(run.shape[3]):
            volume = reader.volume(index)[cut]
            small = degrade(volume, grid)
            series.write(small)
            if index in volumes:
                fine.write(volume)
                coarse.write(small)
    x, y, z = grid.shape
    chosen = subset(run.gradients, volumes)
    files = evolve(run.files, mask=None, name=run.files.label)
    lr = DwiRun(evolve(files, dwi=paths[1]), chosen, (x, y, z, len(volumes)))
    whole = DwiRun(evolve(files, dwi=paths[2]), run.gradients, (x, y, z, run.shape[3]))
    return _Sample(whole, volumes, Trial(paths[0], paths[0], lr, grid, inside))


def _cut_affine(affine: NDArray[np.float64], cut: tuple[slice, ...]) -> NDArray[np.float64]:
    to_whole = np.diag([*(float(part.step or 1) for part in cut), 1.0])
    to_whole[:3, 3] = [part.start or 0 for part in cut]
    return affine @ to_whole


def _restore(
    result: SuperResolvedDwi, sample: _Sample, method: str, out: Path, means: Means
) -> None:
    if method != NETWORK:
        interpolated(sample.trial, method, out)
        return
    super_resolve(
        sample.series,
        result.card,
        out,
        device=means.device,
        batch_size=means.batch_size,
        threads=means.threads,
        data_consistency=result.data_consistency,
        ensemble=result.ensemble,
        whole_slices=result.network_share == 1,
        detect_band=means.detect_band,
        slice_axis=sample.trial.grid.slice_axis,
        volumes=sample.volumes,
        progress=lambda: None,
    )


def _cut_band(path: Path, result: SuperResolvedDwi) -> None:
    """Leave of a fine series what the scanner measured: beyond, the reference holds nothing."""
    if min(result.band) >= 1:
        return
    axis, cut = result.grid.slice_axis, path.with_name(f"cut-{path.name}")
    with (
        DwiReader(path) as reader,
        VolumeWriter(cut, reader.shape, reader.affine, like=reader.header) as writer,
    ):
        for index in range(reader.shape[3]):
            slices = np.ascontiguousarray(to_slices(reader.volume(index), axis))
            kept = keep_band(torch.from_numpy(slices), result.band).clamp_min(0)
            writer.write(from_slices(kept.numpy(), axis))
    cut.replace(path)


def _rounded(scores: Mapping[str, float], figure: str) -> float | None:
    value = scores.get(figure, math.nan)
    return float(f"{value:.6g}") if math.isfinite(value) else None
