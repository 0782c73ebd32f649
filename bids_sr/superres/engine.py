"""Super-resolution of one run, from its files to the written series."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import evolve, field, frozen

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.grid import SliceGrid, from_slices
from bids_sr.images.image_meta import ImageMeta
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.images.series_checks import SeriesChecks
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.images.storage import Storage, choose_storage
from bids_sr.networks.card import ModelCard
from bids_sr.networks.channels import SeriesConditioning
from bids_sr.networks.loading import load_network
from bids_sr.networks.slice_frame import slice_frame
from bids_sr.superres.allocator import kept_memory
from bids_sr.superres.batches import Batches
from bids_sr.superres.defaults import AHEAD, DEFAULT_ENSEMBLE
from bids_sr.superres.device import choose_device, default_batch_size, describe_device
from bids_sr.superres.ensemble_sd import EnsembleSdFiles, EnsembleSdWriter, whole_or_none
from bids_sr.superres.first_pass import Gathered, gather, measured_band
from bids_sr.superres.gpu_faults import loss_told
from bids_sr.superres.peak_memory import peak_memory_gb
from bids_sr.superres.precision import float32_is_exact
from bids_sr.superres.progress import Progress
from bids_sr.superres.report_notes import band_notes, hot_notes, series_notes
from bids_sr.superres.series_images import SeriesImages
from bids_sr.superres.serieswise import SeriesWise
from bids_sr.superres.volume import SuperResolvedVolume
from bids_sr.superres.volumewise import VolumeWise

_LOG = logging.getLogger("bids_sr")


@frozen
class SuperResolvedDwi:
    """A super-resolved series on disk, and how it was made."""

    dwi: Path
    """4D image."""
    run: DwiRun
    """The run it was made from."""
    grid: SliceGrid = field(eq=False)
    """Input grid, slice axis and factor."""
    card: ModelCard
    """The network."""
    scale: float
    """Intensity scaled to 1 for the network, in units of the input."""
    device: str
    """Compute device."""
    seconds: float
    """Wall time of both passes, s."""
    slices: int
    """Number of slices super-resolved."""
    batch_size: int
    """Slices of the largest batch that ran, after the last that was too large for memory."""
    data_consistency: bool
    """Whether the measured band was kept."""
    ensemble: int
    """Rotations and flips of each slice over which the network was averaged."""
    band: tuple[float, float]
    """Measured share of the input's band along the in-plane axes; 1 where it is full."""
    notes: tuple[str, ...]
    """Notes for the report."""
    ensemble_sd: EnsembleSdFiles | None = None
    """Path of the standard deviation over the self-ensemble, if requested."""
    started: float = float("nan")
    """Start time, seconds since the epoch."""
    peak_memory_gb: float = 0.0
    """Peak memory of the process, GB."""
    signed: bool = False
    """Whether the input is signed, and negative values are kept."""
    precision: str = "float32"
    """Precision of the network's layers (`bids_sr.superres.precision`)."""


def super_resolve(
    run: DwiRun,
    card: ModelCard,
    out: Path,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    data_consistency: bool = True,
    ensemble: int = DEFAULT_ENSEMBLE,
    detect_band: bool = True,
    slice_axis: int | None = None,
    ensemble_sd: EnsembleSdFiles | None = None,
    volumes: Sequence[int] | None = None,
    progress: Callable[[], None] | None = None,
    ahead: int = AHEAD,
    output_dtype: str = "float32",
    signed: bool | None = None,
    precision: str = "auto",
    scratch: Path | None = None,
) -> SuperResolvedDwi:
    """Super-resolve a run slice by slice and write the series.

    There are two passes over the input. The first collects the images shared by the volumes. A
    network for the series then processes each slice once per shell, and the second pass adds
    the detail to each volume; a network for volumes processes each volume in the second pass.
    The next volume is computed while the last is written. Only a few volumes are in memory.

    Parameters
    ----------
    run : DwiRun
        The input.
    card : ModelCard
        The network (`bids_sr.networks.registry.load_card`).
    out : pathlib.Path
        Output ``.nii.gz``: same field of view, in-plane voxels divided by the
        factor, negative values set to zero if it is not `signed`.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    batch_size : int, optional
        Slices per batch; default: by device and slice size.
    threads : int, optional
        CPU threads of this process; default: unchanged.
    data_consistency : bool
        Keep the measured band: ``SR + U(LR - D SR)``.
    ensemble : int
        Average the network over 1, 2, 4 or 8 rotations and flips of each slice; its time
        grows in proportion.
    detect_band : bool
        Detect whether the scanner interpolated, and keep only the measured band;
        otherwise all of the input counts as measured.
    slice_axis : int, optional
        Voxel axis across the slices; default: detected.
    ensemble_sd : EnsembleSdFiles, optional
        Where to write the standard deviation over the self-ensemble, and the
        members; requires `ensemble` above 1. The series itself is unchanged.
    volumes : sequence of int, optional
        Volumes to super-resolve, in the order of the output; default: all. Images
        shared by directions always use the whole series. Not with `ensemble_sd`.
    progress : callable, optional
        Called after each volume, in place of any display; default: a progress bar or log
        lines, also for slices through the network.
    ahead : int
        Volumes read ahead of the network, and queued for writing; with 0, reading, computing
        and writing are sequential. It affects memory, not the output.
    output_dtype : str
        Data type of the series on disk, from `bids_sr.images.storage.DTYPES`; `ensemble_sd` is
        always float32.
    signed : bool, optional
        Whether negative values are signal, as in phase-corrected real-valued data, and
        kept; default: detected (`bids_sr.images.series_checks`).
    precision : str
        Precision of the network's layers: ``float32``, ``bfloat16``, ``float16``, or
        ``auto`` (`bids_sr.superres.precision.choose_precision`).
    scratch : pathlib.Path, optional
        Folder for an unnamed file with the detail of a large series; default: memory holds it.

    Returns
    -------
    SuperResolvedDwi

    Raises
    ------
    DeviceError, DeviceLostError, ModelError, InputError, OutputError
        If the device, the weights, the input or the output fail.
    """
    if ensemble_sd is not None and volumes is not None:
        raise ValueError("the standard deviation is of all volumes")
    started, began = time.monotonic(), time.time()
    if threads is not None:
        torch.set_num_threads(threads)
    place = choose_device(device)
    if precision == "float16" and place.type == "cpu":
        # the rest of a run whose GPU is not here any more: CPUs imitate float16, several times as
        # slowly as they compute in float32
        precision = "float32"
    network = load_network(card)
    chosen = range(run.shape[3]) if volumes is None else volumes
    with DwiReader(run.files.dwi) as reader, loss_told(str(place)), float32_is_exact():
        grid = _grid(reader, run, card.factor, slice_axis)
        pixels = int(np.prod([grid.shape[axis] for axis in grid.in_plane]))
        batches = Batches(place, batch_size or default_batch_size(place, pixels))
        band = measured_band(reader, grid) if detect_band else (1.0, 1.0)
        checks = SeriesChecks(run.files.sidecar)
        gathered = _gather(reader, run, grid, card, checks, signed)
        warnings = (*_warnings(reader, run, checks), *gathered.warnings)
        storage = choose_storage(output_dtype, checks.largest, gathered.scale)
        for warning in (*warnings, *storage.warnings):
            _LOG.warning("%s: %s", run.image, warning)
        output = _Output(
            out, grid, reader.meta, storage, gathered.scale, gathered.signed, ensemble_sd
        )
        with (
            kept_memory() if place.type == "cpu" else nullcontext(),
            whole_or_none(ensemble_sd.members if ensemble_sd else ()),
        ):
            maker = _maker(
                network, card, None if progress else run.files.label, batches, gathered, reader,
                grid, ensemble_sd, consistent=data_consistency, ensemble=ensemble, band=band,
                precision=precision, scratch=scratch,
            )  # fmt: skip
            shown = progress or Progress(run.files.label, len(chosen), "volume").advance
            clipped = _write(maker.make(chosen, ahead), len(chosen), output, shown, ahead)
    return SuperResolvedDwi(
        dwi=out,
        run=run,
        grid=grid,
        card=card,
        scale=gathered.scale,
        device=describe_device(place),
        seconds=time.monotonic() - started,
        slices=len(chosen) * grid.shape[grid.slice_axis],
        batch_size=batches.largest or batches.size,
        data_consistency=data_consistency,
        ensemble=ensemble,
        band=band,
        signed=gathered.signed,
        precision=maker.precision.name,
        notes=(
            *warnings,
            *hot_notes(gathered.hot),
            *series_notes(run, card),
            *band_notes(grid, band),
            *storage.notes(clipped),
            *batches.notes,
        ),
        ensemble_sd=ensemble_sd,
        started=began,
        peak_memory_gb=peak_memory_gb(),
    )


def _warnings(reader: DwiReader, run: DwiRun, checks: SeriesChecks) -> tuple[str, ...]:
    """Return warnings about the series, either as stored or at its acquired matrix."""
    if run.stored is None:
        return (*run.warnings, *reader.warnings, *checks.warnings(reader.nonfinite))
    return (*run.warnings, *run.stored.warnings, *checks.warnings(run.stored.nonfinite))


def _grid(reader: DwiReader, run: DwiRun, factor: int, override: int | None) -> SliceGrid:
    axis = slice_axis_of(run, reader.meta, override)
    return SliceGrid(reader.shape[:3], reader.affine, axis, factor)


def _gather(
    reader: DwiReader,
    run: DwiRun,
    grid: SliceGrid,
    card: ModelCard,
    checks: SeriesChecks,
    signed: bool | None,
) -> Gathered:
    """Collect what the network needs from the whole series."""
    frame = slice_frame(grid.affine, grid.slice_axis)

    def share() -> SeriesImages | SeriesConditioning:
        if card.sees_series:
            return SeriesImages(run.gradients, frame)
        return SeriesConditioning(run.gradients, frame=frame)

    gathered = gather(reader, run, grid, share, checks, signed=signed)
    # a network like the paper's reads only the slice: the collected images are not used
    return evolve(gathered, scale=gathered.largest) if card.input_rule == "paper" else gathered


def _maker(
    network: torch.nn.Module,
    card: ModelCard,
    label: str | None,
    batches: Batches,
    gathered: Gathered,
    reader: DwiReader,
    grid: SliceGrid,
    ensemble_sd: EnsembleSdFiles | None,
    scratch: Path | None,
    **how: Any,
) -> SeriesWise | VolumeWise:
    """Choose how volumes are computed, which depends on the network."""
    if card.sees_series:
        members: Sequence[Path | None] = ()
        if ensemble_sd is not None:
            members = ensemble_sd.members or [None] * how["ensemble"]
        return SeriesWise(
            network, batches, gathered, reader, grid, members=members, scratch=scratch,
            label=label, **how,
        )  # fmt: skip
    return VolumeWise(
        network, card, batches, gathered, reader, grid, keep=ensemble_sd is not None, **how
    )


@frozen(eq=False)
class _Output:
    """Where and how to write the series."""

    path: Path
    grid: SliceGrid
    meta: ImageMeta
    storage: Storage
    scale: float
    signed: bool
    ensemble_sd: EnsembleSdFiles | None


def _write(
    made: Iterator[SuperResolvedVolume],
    volumes: int,
    output: _Output,
    progress: Callable[[], None],
    ahead: int,
) -> int:
    """Write the series; return the number of voxels outside the range of its data type."""
    shape, affine = output.grid.high_resolution
    shape4, axis, ensemble_sd = (*shape, volumes), output.grid.slice_axis, output.ensemble_sd
    scale, storage = np.float32(output.scale), output.storage
    # members take much memory: write one volume of them while the next is computed
    behind = min(1, ahead) if ensemble_sd else ahead
    with (
        VolumeWriter(
            output.path,
            shape4,
            affine,
            like=output.meta,
            dtype=storage.dtype,
            step=storage.step,
        ) as writer,
        EnsembleSdWriter(ensemble_sd, shape4, affine, output.meta, signed=output.signed)
        if ensemble_sd
        else nullcontext() as beside,
        ThreadPoolExecutor(1, "write") as pool,
    ):

        def put(index: int, volume: SuperResolvedVolume) -> None:
            mean, members = volume.mean, volume.members
            if not output.signed:
                np.maximum(mean, 0, out=mean)
            np.multiply(mean, scale, out=mean)
            writer.write(from_slices(mean, axis))
            if beside is not None and members is not None:
                np.multiply(members, scale, out=members)
                beside.write(index, [from_slices(member, axis) for member in members])

        waiting: list[Future[None]] = []
        done = count()  # enumerate would hold each volume until it has the next one
        for volume in made:
            waiting.append(pool.submit(put, next(done), volume))
            del volume  # drop this reference, so that memory is freed early
            if len(waiting) > behind:
                waiting.pop(0).result()
            progress()
        for future in waiting:
            future.result()
    return writer.clipped
