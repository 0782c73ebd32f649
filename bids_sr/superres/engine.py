"""Super-resolving one run: from its files to the written series."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import count
from pathlib import Path

import numpy as np
import torch
from attrs import field, frozen

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.census import Census
from bids_sr.images.grid import SliceGrid, from_slices, to_slices
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.images.storage import Storage, choose_storage
from bids_sr.networks.card import ModelCard
from bids_sr.networks.channels import SeriesConditioning
from bids_sr.networks.loading import load_network
from bids_sr.superres.allocator import give_back_memory, kept_memory
from bids_sr.superres.defaults import AHEAD, DEFAULT_ENSEMBLE
from bids_sr.superres.device import choose_device, default_batch_size, describe_device
from bids_sr.superres.first_pass import Gathered, gather, measured_band
from bids_sr.superres.focus import Box, find_head
from bids_sr.superres.notes import band_notes, hot_notes, series_notes
from bids_sr.superres.progress import VolumeProgress
from bids_sr.superres.runner import SliceRunner
from bids_sr.superres.slice_stack import SliceStack
from bids_sr.superres.spread import SpreadFiles, SpreadWriter
from bids_sr.superres.usage import peak_memory_gb

_LOG = logging.getLogger("bids_sr")


@frozen
class SuperResolvedDwi:
    """A super-resolved series on disk, and how it came about."""

    dwi: Path
    """4D image."""
    run: DwiRun
    """What it was made of."""
    grid: SliceGrid = field(eq=False)
    """Input grid, slice axis and factor."""
    card: ModelCard
    """The network."""
    scale: float
    """Intensity that the network saw as 1, in units of the input."""
    device: str
    """Where it was computed."""
    seconds: float
    """Wall time, both passes."""
    slices: int
    """Slices super-resolved."""
    batch_size: int
    """Slices at once, at the end."""
    data_consistency: bool
    """Whether the measured band was kept."""
    ensemble: int
    """Turned copies of each slice over which the network was averaged."""
    band: tuple[float, float]
    """Measured share of the input's band along the in-plane axes; 1 where it is full."""
    notes: tuple[str, ...]
    """What a reader of the report should know."""
    spread: SpreadFiles | None = None
    """Where the spread of the copies lies, if it was asked for."""
    started: float = float("nan")
    """When it began, seconds since the epoch."""
    peak_memory_gb: float = 0.0
    """Most memory that its process had taken by its end, GB."""
    network_share: float = 1.0
    """Share of the slices' area that the network saw; the rest, air, was interpolated."""
    signed: bool = False
    """Whether the input has a sign, and the output keeps it."""


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
    whole_slices: bool = False,
    slice_axis: int | None = None,
    spread: SpreadFiles | None = None,
    volumes: Sequence[int] | None = None,
    progress: Callable[[], None] | None = None,
    ahead: int = AHEAD,
    dtype: str = "float32",
    signed: bool | None = None,
) -> SuperResolvedDwi:
    """Super-resolve a run slice by slice and write the series.

    Two passes over the input: the first gathers what all directions share, the
    second sends each volume through the network while the next is read and the
    last is written. Memory holds a few volumes, whatever their number.

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
        Slices at once; default by device and slice size.
    threads : int, optional
        CPU threads of this process; default: as they are.
    data_consistency : bool
        Keep the measured band: ``SR + U(LR - D SR)``.
    ensemble : int
        Average the network over 1, 2, 4 or 8 turned copies of each slice; time
        grows as much.
    detect_band : bool
        Find out whether the scanner interpolated, and keep only what it measured;
        else all of the input counts as measured.
    whole_slices : bool
        Send whole slices through the network, not only the part that holds the head
        (`bids_sr.superres.focus`).
    slice_axis : int, optional
        Voxel axis across the slices; default: found out.
    spread : SpreadFiles, optional
        Where to write the standard deviation over the turned copies, and the
        copies; `ensemble` is above 1 then. The series itself stays the same.
    volumes : sequence of int, optional
        Volumes to super-resolve, in the order of the output; default: all. What
        directions share is gathered from the whole series either way. Not with `spread`.
    progress : callable, optional
        Called after each volume; default: a bar or log lines.
    ahead : int
        Volumes read ahead of the network, and written behind it; with 0, reading,
        computing and writing take turns. Memory grows with it, the output is the same.
    dtype : str
        Of the series on disk, one of `bids_sr.images.storage.DTYPES`; `spread` stays float32.
    signed : bool, optional
        Whether negative values are signal, as in phase-corrected real-valued data, and
        kept; default: found out (`bids_sr.images.census`).

    Returns
    -------
    SuperResolvedDwi

    Raises
    ------
    DeviceError, ModelError, InputError, OutputError
        If the device, the weights, the input or the output fail.
    """
    if spread is not None and volumes is not None:
        raise ValueError("the spread is of all volumes")
    started, began = time.monotonic(), time.time()
    if threads is not None:
        torch.set_num_threads(threads)
    place = choose_device(device)
    network = load_network(card)
    chosen = range(run.shape[3]) if volumes is None else volumes
    with DwiReader(run.files.dwi) as reader:
        grid = _grid(reader, run, card.factor, slice_axis)
        pixels = int(np.prod([grid.shape[axis] for axis in grid.in_plane]))
        size = batch_size or default_batch_size(place, pixels)
        band = measured_band(reader, grid) if detect_band else (1.0, 1.0)
        census = Census(run.files.sidecar)
        gathered = gather(reader, run, grid, card, census, signed=signed)
        scale, conditioning = gathered.scale, gathered.conditioning
        doubts = (*_doubts(reader, run, census), *gathered.doubts)
        storage = choose_storage(dtype, census.largest, scale)
        for doubt in (*doubts, *storage.doubts):
            _LOG.warning("%s: %s", run.image, doubt)
        runner = SliceRunner(
            network,
            place,
            size,
            consistent=data_consistency,
            ensemble=ensemble,
            band=band,
            channels=card.channels,
            boxes=None if whole_slices else _boxes(conditioning, grid, card),
        )
        stacks = _stacks(reader, chosen, grid, card, gathered, ahead)
        shown = progress or _bar(run, len(chosen), grid)
        with kept_memory() if place.type == "cpu" else nullcontext():
            clipped = _write(
                runner, stacks, reader, len(chosen), grid, out, scale, spread, shown, ahead,
                storage, gathered.signed,
            )  # fmt: skip
    return SuperResolvedDwi(
        dwi=out,
        run=run,
        grid=grid,
        card=card,
        scale=scale,
        device=describe_device(place),
        seconds=time.monotonic() - started,
        slices=len(chosen) * grid.shape[grid.slice_axis],
        batch_size=runner.batch_size,
        data_consistency=data_consistency,
        ensemble=ensemble,
        band=band,
        signed=gathered.signed,
        network_share=runner.share(grid.shape[grid.slice_axis] * pixels),
        notes=(
            *doubts,
            *hot_notes(gathered.hot),
            *series_notes(run, card),
            *band_notes(grid, band),
            *storage.notes(clipped),
            *runner.notes,
        ),
        spread=spread,
        started=began,
        peak_memory_gb=peak_memory_gb(),
    )


def _doubts(reader: DwiReader, run: DwiRun, census: Census) -> tuple[str, ...]:
    """Return what is odd about the series, be it as it came or at its acquired matrix."""
    if run.stored is None:
        return (*run.doubts, *reader.doubts, *census.doubts(reader.nonfinite))
    return (*run.doubts, *run.stored.doubts, *census.doubts(run.stored.nonfinite))


def _grid(reader: DwiReader, run: DwiRun, factor: int, override: int | None) -> SliceGrid:
    axis = slice_axis_of(run, reader, override)
    return SliceGrid(reader.shape[:3], reader.affine, axis, factor)


def _boxes(
    conditioning: SeriesConditioning, grid: SliceGrid, card: ModelCard
) -> tuple[Box, ...] | None:
    if card.input_rule == "paper":  # its attention looks at the whole slice
        return None
    means = [conditioning.mean_b0, conditioning.mean_dwi]
    return find_head([to_slices(m, grid.slice_axis) for m in means if m is not None], card.factor)


def _stacks(
    reader: DwiReader,
    volumes: Sequence[int],
    grid: SliceGrid,
    card: ModelCard,
    gathered: Gathered,
    ahead: int,
) -> Iterator[SliceStack]:
    """Yield the input of each volume, read ahead in a thread."""
    scale, conditioning = np.float32(gathered.scale), gathered.conditioning

    def read(index: int) -> SliceStack:
        volume = reader.volume(index)
        seen = gathered.seen(index, volume) / scale
        channels = [
            to_slices(channel, grid.slice_axis)
            for channel in conditioning.channels(index, seen, card.channels)
        ]
        differs = index in gathered.hot or gathered.sigma
        measured = to_slices(volume / scale, grid.slice_axis) if differs else None
        return SliceStack(channels, measured)

    if not ahead:
        yield from map(read, volumes)
        return
    with ThreadPoolExecutor(1, "read") as pool:
        waiting: list[Future[SliceStack]] = []
        for before, index in zip([None, *volumes], volumes, strict=False):
            if before is not None and not conditioning.share(before, index):
                # what waits holds the channels of its shell: all goes before another's are made
                while waiting:
                    yield waiting.pop(0).result()
                conditioning.forget()
                give_back_memory()
            waiting.append(pool.submit(read, index))
            if len(waiting) > ahead:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def _write(
    runner: SliceRunner,
    stacks: Iterator[SliceStack],
    reader: DwiReader,
    volumes: int,
    grid: SliceGrid,
    out: Path,
    scale: float,
    spread: SpreadFiles | None,
    progress: Callable[[], None],
    ahead: int,
    storage: Storage,
    signed: bool,
) -> int:
    """Write the series; return how many voxels were beyond its data type."""
    shape, affine = grid.high_resolution
    shape4 = (*shape, volumes)
    # copies are many: one volume of them is written while the next is made
    behind = min(1, ahead) if spread else ahead
    with (
        VolumeWriter(
            out, shape4, affine, like=reader.header, dtype=storage.dtype, step=storage.step
        ) as writer,
        SpreadWriter(spread, shape4, affine, reader.header, signed=signed)
        if spread
        else nullcontext() as beside,
        ThreadPoolExecutor(1, "write") as pool,
    ):

        def put(index: int, mean: np.ndarray, copies: np.ndarray | None) -> None:
            if not signed:
                np.maximum(mean, 0, out=mean)
            np.multiply(mean, np.float32(scale), out=mean)
            writer.write(from_slices(mean, grid.slice_axis))
            if beside is not None and copies is not None:
                np.multiply(copies, np.float32(scale), out=copies)
                beside.write(index, [from_slices(copy, grid.slice_axis) for copy in copies])

        waiting: list[Future[None]] = []
        done = count()  # enumerate would hold each stack until it has the next one
        for stack in stacks:
            made = runner.with_copies(stack) if spread else (runner(stack), None)
            waiting.append(pool.submit(put, next(done), *made))
            del made, stack  # only those who still need them hold them
            if len(waiting) > behind:
                waiting.pop(0).result()
            progress()
        for future in waiting:
            future.result()
    return writer.clipped


def _bar(run: DwiRun, volumes: int, grid: SliceGrid) -> Callable[[], None]:
    slices = grid.shape[grid.slice_axis]
    return VolumeProgress(run.files.label, volumes, slices).advance
