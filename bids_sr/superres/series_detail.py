"""The output of a network for the series, and the detail it adds to each volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from bids_sr.images.kspace import data_consistency
from bids_sr.images.scratch import no_space, release, reserve, scratch_array
from bids_sr.networks.series_parts import L2_PARTS, PARTS, SeriesParts, turned_parts
from bids_sr.superres.batches import Batches
from bids_sr.superres.defaults import LARGE_DETAIL, detail_bytes
from bids_sr.superres.precision import FLOAT32, Precision, central, choose_precision
from bids_sr.superres.self_ensemble import TRANSFORMS, rotate_flip, undo_rotate_flip
from bids_sr.superres.series_images import SeriesImages

_MEANS = PARTS - L2_PARTS
_AT_ONCE = 16
"""Slices of detail read from a file before they are released."""


class SeriesDetail:
    """Detail of the b0s, and of the mean and l = 2 coefficients of each shell.

    Parameters
    ----------
    parts : SeriesParts
        Split of the series.
    arrays : callable
        Returns the array with a given name and number of images.

    Notes
    -----
    Kept as float16: the rounding error is a two-thousandth of the detail. Of detail in files, only
    what is being read or written is in memory.
    """

    def __init__(self, parts: SeriesParts, arrays: Callable[[str, int], np.ndarray]) -> None:
        self._parts = parts
        self.b0 = arrays("b0", 1) if parts.b0s.size else None
        """(1, slices, f a, f b)."""
        self.shells = [
            arrays(f"shell{number}", 1 + L2_PARTS if shell.has_l2 else 1)
            for number, shell in enumerate(parts.shells)
        ]
        """(1 or 6, slices, f a, f b) each."""

    @classmethod
    def empty(
        cls,
        parts: SeriesParts,
        shape: tuple[int, int, int],
        store: Path | None = None,
        scratch: Path | None = None,
    ) -> SeriesDetail:
        """Allocate the detail of a series.

        Parameters
        ----------
        parts : SeriesParts
            Split of the series.
        shape : tuple of int
            (slices, f a, f b).
        store : pathlib.Path, optional
            Folder for the arrays, as ``.npy``, replacing those of an earlier call.
        scratch : pathlib.Path, optional
            Folder for unnamed files with the arrays, if there is no `store`; default: memory.

        Raises
        ------
        OutputError
            If there is no space for the files.
        """
        if store is not None:
            store.mkdir(parents=True, exist_ok=True)
            return cls(parts, lambda name, images: _stored(store / f"{name}.npy", (images, *shape)))
        if scratch is None:
            return cls(parts, lambda _, images: np.zeros((images, *shape), np.float16))
        return cls(parts, lambda _, images: scratch_array(scratch, (images, *shape), np.float16))

    @classmethod
    def load(cls, parts: SeriesParts, store: Path) -> SeriesDetail:
        """Open the arrays in a folder, as memory maps."""
        # "c", since torch warns about read-only arrays; nothing writes to them
        return cls(parts, lambda name, _: np.load(store / f"{name}.npy", mmap_mode="c"))

    def add(self, index: int, slices: np.ndarray) -> None:
        """Add the detail to a volume.

        This is done slice by slice, to stay in the processor's cache and avoid a second volume.

        Parameters
        ----------
        index : int
            Position of the volume in the series.
        slices : numpy.ndarray
            (slices, f a, f b), float32; modified in place.
        """
        number, row = self._parts.place(index)
        coefficients = self.b0 if number is None else self.shells[number]
        assert coefficients is not None
        weights: list[float] = []
        if number is not None:
            functions = self._parts.shells[number].functions[row, 1 : len(coefficients)]
            weights = functions.astype(np.float32).tolist()
        with torch.inference_mode():
            images, volume = torch.from_numpy(coefficients), torch.from_numpy(slices)
            for place in range(len(volume)):
                if place % _AT_ONCE == 0:
                    release(coefficients)
                total = images[0, place].float()
                for weight, image in zip(weights, images[1:, place], strict=True):
                    total += image.float().mul_(weight)
                volume[place] += total
        release(coefficients)

    def release(self) -> None:
        """Take what is in files out of memory."""
        for images in (self.b0, *self.shells):
            if images is not None:
                release(images)


def _stored(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Create an array in a ``.npy`` file."""
    with no_space(path.parent):
        made = np.lib.format.open_memmap(path, "w+", np.float16, shape)
        with path.open("r+b") as file:
            reserve(file, path.stat().st_size)
    return made


class DetailRunner:
    """Runs a network for the series over all slices of all shells.

    Layers are channels last and may compute in less than float32 (`bids_sr.superres.precision`);
    data consistency stays in float32.

    Parameters
    ----------
    network : torch.nn.Module
        A `bids_sr.networks.series_network.SeriesNetwork` in eval mode; moved to the device.
    batches : Batches
        Device and batch size.
    consistent : bool
        Whether the measured band is removed from the detail, to keep that of the input.
    ensemble : int
        Number of rotations and flips of each slice to average over.
    band : tuple of float
        Measured share of the input's band along both in-plane axes.
    precision : str
        Precision of the layers, as for `bids_sr.superres.precision.choose_precision`.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        batches: Batches,
        *,
        consistent: bool,
        ensemble: int,
        band: tuple[float, float],
        precision: str = "float32",
    ) -> None:
        self.network = batches.place(network)
        self.factor = int(network.factor)  # type: ignore[arg-type]
        self.batches, self.consistent, self.band = batches, consistent, band
        self.transforms = TRANSFORMS[ensemble]
        self._asked = precision
        self.precision = FLOAT32
        """Precision of the layers, chosen by `run`."""

    def run(
        self,
        images: SeriesImages,
        shape: tuple[int, int, int],
        *,
        members: Sequence[Path | None] = (),
        scratch: Path | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[SeriesDetail, tuple[SeriesDetail, ...]]:
        """Compute the detail of a series.

        Parameters
        ----------
        images : SeriesImages
            Images from all volumes; those of each shell are dropped when it is done.
        shape : tuple of int
            (slices, a, b).
        members : sequence of pathlib.Path or None
            Folder for the detail of each ensemble member, None: as that of the mean; empty: not
            kept.
        scratch : pathlib.Path, optional
            Folder for unnamed files with the other detail, if all exceeds `LARGE_DETAIL`.
        progress : callable, optional
            Called with the number of slices just done.

        Returns
        -------
        mean : SeriesDetail
        members : tuple of SeriesDetail
            Detail of each ensemble member, if kept.

        Raises
        ------
        DeviceError
            If not even one slice fits into memory.
        OutputError
            If there is no space for files.
        """
        fine = (shape[0], shape[1] * self.factor, shape[2] * self.factor)
        parts = images.parts
        self.precision = self._choose(images, shape)
        held = (1 + len(members)) * detail_bytes(parts.details, math.prod(fine))
        scratch = scratch if held > LARGE_DETAIL else None
        details = [SeriesDetail.empty(parts, fine, store, scratch) for store in (None, *members)]
        # the b0s pass through the network with each shell: weight by number of directions
        counts = np.array([len(shell.indices) for shell in parts.shells] or [1], np.float32)
        for number, share in enumerate(counts / counts.sum()):
            self._shell(images, number, share, details, shape[0], progress or (lambda _: None))
            images.forget(number)
        return details[0], tuple(details[1:])

    def _choose(self, images: SeriesImages, shape: tuple[int, int, int]) -> Precision:
        """Choose the precision from the middle of the first shell."""
        shells = images.parts.shells
        passes = max(1, len(shells)) * len(self.transforms)
        across, *within = central(*shape)

        def detail(precision: Precision) -> torch.Tensor:
            with torch.inference_mode():
                stack = images.stack(0, across.start, across.stop)[:, :, *within]
                made = self._transformed(self._tensor(stack), *self.transforms[0], precision)
                return self._unmeasured(made)

        last = 0 if not shells else PARTS if shells[0].has_l2 else _MEANS
        used = slice(0 if images.parts.b0s.size else 1, max(1, last))
        pixels = passes * math.prod(shape)
        return choose_precision(self._asked, self.batches.device, pixels, detail, used)

    def _shell(
        self,
        images: SeriesImages,
        number: int,
        share: np.float32,
        details: Sequence[SeriesDetail],
        slices: int,
        progress: Callable[[int], None],
    ) -> None:
        """Compute the detail of one shell, and its contribution to that of the b0."""
        units = images.units(number)[:, None, None]
        done = np.zeros(slices, bool)

        def work(start: int, stop: int) -> None:
            made = self._batch(images.stack(number, start, stop), len(details) > 1)
            fresh = ~done[start:stop]  # a slice may come twice
            for detail, output in zip(details, made, strict=True):
                _keep(detail, number, slice(start, stop), output * units, share, fresh)
                detail.release()
            done[start:stop] = True
            progress(int(fresh.sum()))

        self.batches.run(slices, work)

    def _batch(self, stack: np.ndarray, keep: bool) -> list[np.ndarray]:
        """Return the mean and, if they are kept, the members: (slices, 7, f a, f b) each."""
        with torch.inference_mode():
            images = self._tensor(stack)
            mean, members = None, []
            for quarter, flip in self.transforms:
                member = self._transformed(images, quarter, flip, self.precision)
                mean = member.clone() if mean is None else mean.add_(member)
                if keep:
                    members.append(member)
            assert mean is not None
            made = [self._unmeasured(image) for image in (mean / len(self.transforms), *members)]
            return [image.cpu().numpy() for image in made]

    def _tensor(self, stack: np.ndarray) -> torch.Tensor:
        return self.batches.tensor(stack).contiguous(memory_format=torch.channels_last)

    def _unmeasured(self, detail: torch.Tensor) -> torch.Tensor:
        """Remove the measured band, if that of the input is to be kept."""
        if not self.consistent:
            return detail
        nothing = torch.zeros_like(detail[..., :: self.factor, :: self.factor])
        return data_consistency(detail, nothing, self.factor, self.band)

    def _transformed(
        self, images: torch.Tensor, quarter: int, flip: bool, precision: Precision
    ) -> torch.Tensor:
        """Return the network's output for rotated and flipped slices, rotated back."""
        matrix = torch.as_tensor(turned_parts(quarter, flip=flip), dtype=images.dtype)
        shown = _mixed(rotate_flip(images, quarter, flip), matrix)
        with precision.layers(images.device):
            output = self.network(shown)
        # the matrix of a rotation is orthogonal
        return _mixed(undo_rotate_flip(output.float(), quarter, flip), matrix.T)


def _mixed(images: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Rotate the l = 2 coefficients among (batch, n * 7, a, b)."""
    each = images.unflatten(1, (-1, PARTS))
    l2 = torch.einsum("ij,bnjrc->bnirc", matrix.to(each.device), each[:, :, _MEANS:])
    whole = torch.cat([each[:, :, :_MEANS], l2], dim=2).flatten(1, 2)
    return whole.contiguous(memory_format=torch.channels_last)


def _keep(
    detail: SeriesDetail,
    number: int,
    slices: slice,
    output: np.ndarray,
    share: np.float32,
    fresh: np.ndarray,
) -> None:
    """Store the output for some slices, averaging that for the b0 over shells."""
    if detail.b0 is not None:
        more = (output[:, 0] * share).astype(np.float16)
        detail.b0[0, slices][fresh] += more[fresh]
    if detail.shells:
        shell = detail.shells[number]
        shell[:, slices] = np.moveaxis(output[:, 1 : 1 + len(shell)], 1, 0)
