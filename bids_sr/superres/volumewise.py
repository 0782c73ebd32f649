"""Super-resolution of a series by a network that processes one volume at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.nifti import DwiReader
from bids_sr.networks.card import ModelCard
from bids_sr.networks.channels import SeriesConditioning
from bids_sr.superres.allocator import give_back_memory
from bids_sr.superres.batches import Batches
from bids_sr.superres.first_pass import Gathered
from bids_sr.superres.precision import Precision
from bids_sr.superres.slice_runner import SliceRunner
from bids_sr.superres.slice_stack import SliceStack
from bids_sr.superres.volume import SuperResolvedVolume


class VolumeWise:
    """Runs each volume through the network.

    Parameters
    ----------
    network : torch.nn.Module
        Network in eval mode.
    card : ModelCard
        Card of the network.
    batches : Batches
        Device and batch size.
    gathered : Gathered
        Result of the first pass, with a `SeriesConditioning` as shared images.
    reader : DwiReader
        The series.
    grid : SliceGrid
        Orientation of its slices.
    consistent, ensemble, band
        See `bids_sr.superres.slice_runner.SliceRunner`.
    keep : bool
        Whether to keep each ensemble member.
    precision : str
        Precision of the layers, as for `bids_sr.superres.precision.choose_precision`.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        card: ModelCard,
        batches: Batches,
        gathered: Gathered,
        reader: DwiReader,
        grid: SliceGrid,
        *,
        consistent: bool,
        ensemble: int,
        band: tuple[float, float],
        keep: bool,
        precision: str,
    ) -> None:
        assert isinstance(gathered.shared, SeriesConditioning)
        self._conditioning = gathered.shared
        self._gathered, self._reader, self._axis = gathered, reader, grid.slice_axis
        self._names, self._keep, self._asked = card.channels, keep, precision
        self._runner = SliceRunner(
            network, batches, consistent=consistent, ensemble=ensemble, band=band,
            channels=card.channels,
        )  # fmt: skip

    @property
    def precision(self) -> Precision:
        """Precision of the layers, set by the first volume."""
        return self._runner.precision

    def make(self, volumes: Sequence[int], ahead: int) -> Iterator[SuperResolvedVolume]:
        """Yield each volume, its input read `ahead` in a thread."""
        chosen = False
        for stack in self._stacks(volumes, ahead):
            if not chosen:
                self._runner.choose_precision(self._asked, stack, len(volumes))
                chosen = True
            made = self._runner.with_members(stack) if self._keep else (self._runner(stack), None)
            del stack  # free its channels before those of the next shell are made
            yield SuperResolvedVolume(*made)
            del made

    def _read(self, index: int) -> SliceStack:
        scale = np.float32(self._gathered.scale)
        volume = self._reader.volume(index)
        seen = self._gathered.seen(index, volume) / scale
        channels = [
            to_slices(channel, self._axis)
            for channel in self._conditioning.channels(index, seen, self._names)
        ]
        differs = index in self._gathered.hot or self._gathered.sigma
        return SliceStack(channels, to_slices(volume / scale, self._axis) if differs else None)

    def _stacks(self, volumes: Sequence[int], ahead: int) -> Iterator[SliceStack]:
        if not ahead:
            yield from map(self._read, volumes)
            return
        with ThreadPoolExecutor(1, "read") as pool:
            waiting: list[Future[SliceStack]] = []
            for before, index in zip([None, *volumes], volumes, strict=False):
                if before is not None and not self._conditioning.share(before, index):
                    # queued volumes hold their shell's channels: free them before the next
                    while waiting:
                        yield waiting.pop(0).result()
                    self._conditioning.forget()
                    give_back_memory()
                waiting.append(pool.submit(self._read, index))
                if len(waiting) > ahead:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
