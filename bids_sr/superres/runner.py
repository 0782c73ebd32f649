"""Slices through the network in batches, on any device."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch

from bids_sr.errors import DeviceError
from bids_sr.images.kspace import data_consistency, sinc_upsample
from bids_sr.networks.channels import BASIC
from bids_sr.networks.slice_frame import turned_order

_LOG = logging.getLogger("bids_sr")

TURNS = {
    1: ((0, False),),
    2: ((0, False), (1, True)),
    4: tuple((quarter, False) for quarter in range(4)),
    8: tuple((quarter, flip) for quarter in range(4) for flip in (False, True)),
}
"""Quarter turns, and whether flipped, of the copies of a slice that are averaged, by number."""


class SliceRunner:
    """Runs a network over stacks of slices and halves the batch when memory is short.

    On CUDA the network runs under float16 autocast, channels last, fed from
    pinned memory; interpolation and data consistency stay in float32. On the CPU
    all is float32.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode; moved to `device`.
    device : torch.device
        Where to compute.
    batch_size : int
        Slices at once, to begin with.
    consistent : bool
        Whether the measured band of the output is replaced by the input's own.
    ensemble : int
        Over how many turned copies of each slice the network is averaged, a key
        of `TURNS` (geometric self-ensemble, Lim et al., CVPR Workshops 2017).
    band : tuple of float
        Measured share of the input's band along both in-plane axes; only there is
        the output replaced.
    channels : sequence of str
        Names of the channels; those that belong to a direction change places when a
        slice is turned.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        device: torch.device,
        batch_size: int,
        *,
        consistent: bool,
        ensemble: int = 1,
        band: tuple[float, float] = (1.0, 1.0),
        channels: Sequence[str] = BASIC,
    ) -> None:
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.factor = int(network.factor)  # type: ignore[arg-type]
        self.device = device
        self.batch_size = batch_size
        self.consistent = consistent
        self.turns = TURNS[ensemble]
        self.band = band
        self.orders = {turn: turned_order(channels, turn[0], flip=turn[1]) for turn in self.turns}
        self.notes: list[str] = []

    def __call__(self, channels: np.ndarray) -> np.ndarray:
        """Super-resolve one volume's slices.

        Parameters
        ----------
        channels : numpy.ndarray
            (slices, channels, a, b), float32, in units of the intensity scale.

        Returns
        -------
        numpy.ndarray
            (slices, f a, f b), float32; not clipped.

        Raises
        ------
        DeviceError
            If not even one slice fits into memory.
        """
        return self._in_batches(channels, keep=False)[0]

    def with_copies(self, channels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Super-resolve one volume's slices and keep each turned copy, too.

        Parameters
        ----------
        channels : numpy.ndarray
            (slices, channels, a, b), float32, in units of the intensity scale.

        Returns
        -------
        mean : numpy.ndarray
            (slices, f a, f b), float32; bit by bit what calling the runner gives.
        copies : numpy.ndarray
            (copies, slices, f a, f b), float32, turned back; each made consistent
            with the input like the mean, hence their mean but for rounding.

        Raises
        ------
        DeviceError
            If not even one slice fits into memory.
        """
        output = self._in_batches(channels, keep=True)
        return output[0], output[1:]

    def _in_batches(self, channels: np.ndarray, *, keep: bool) -> np.ndarray:
        """Return the mean and, if they are kept, the copies: (images, slices, f a, f b)."""
        source = torch.from_numpy(np.ascontiguousarray(channels))
        if self.device.type == "cuda":
            source = source.pin_memory()
        count, _, rows, columns = source.shape
        images = 1 + len(self.turns) if keep else 1
        output = np.empty((images, count, rows * self.factor, columns * self.factor), np.float32)
        start = 0
        while start < count:
            stop = min(start + self.batch_size, count)
            if stop - start == 1 < self.batch_size and start:
                # a single slice is rounded another way than several: take one again
                start -= 1
            try:
                made = self._batch(source[start:stop], keep)
                for image, slices in zip(output, made, strict=True):
                    image[start:stop] = slices.cpu().numpy()
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve(error)
                continue
            start = stop
        return output

    def _batch(self, channels: torch.Tensor, keep: bool) -> list[torch.Tensor]:
        cuda = self.device.type == "cuda"
        with torch.inference_mode():
            channels = channels.to(self.device, non_blocking=cuda)
            channels = channels.contiguous(memory_format=torch.channels_last)
            # interpolation and consistency stay outside autocast: they need float32
            interpolated = sinc_upsample(channels[:, :1], self.factor)
            fine = torch.zeros_like(interpolated[:, 0])
            made = [fine]
            for quarter, flip in self.turns:
                order = self.orders[quarter, flip]
                sources = (channels[:, order], interpolated)
                turned = [_turn(images, quarter, flip) for images in sources]
                with torch.autocast("cuda", torch.float16, enabled=cuda):
                    output = self.network(*turned)
                copy = _turn_back(output, quarter, flip)[:, 0]
                fine += copy / len(self.turns)
                if keep:
                    made.append(copy.float())
            if not self.consistent:
                return made
            return [data_consistency(i, channels[:, 0], self.factor, self.band) for i in made]

    def _halve(self, error: Exception) -> None:
        if self.batch_size == 1:
            raise DeviceError(
                f"Not even one slice fits into the memory of {self.device}.",
                remedy="Give --device cpu, or free memory on the device.",
            ) from error
        self.batch_size //= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        note = (
            f"Memory of {self.device} ran out; going on with batches of {self.batch_size}"
            f" slices (--batch-size {self.batch_size} avoids the retry)."
        )
        _LOG.warning(note)
        self.notes.append(note)


def _turn(images: torch.Tensor, quarter: int, flip: bool) -> torch.Tensor:
    if not quarter and not flip:
        return images
    turned = torch.rot90(images, quarter, (-2, -1))
    turned = turned.flip(-1) if flip else turned
    return turned.contiguous(memory_format=torch.channels_last)


def _turn_back(images: torch.Tensor, quarter: int, flip: bool) -> torch.Tensor:
    return torch.rot90(images.flip(-1) if flip else images, -quarter, (-2, -1))


def _is_out_of_memory(error: Exception) -> bool:
    # the CPU allocator raises a plain RuntimeError
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
