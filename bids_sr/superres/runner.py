"""Slices through the network in batches, on any device."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from bids_sr.errors import DeviceError
from bids_sr.images.kspace import data_consistency, sinc_upsample
from bids_sr.networks.channels import BASIC
from bids_sr.networks.slice_frame import turned_order
from bids_sr.networks.unet import SubPixelUNet
from bids_sr.superres.focus import Box, whole
from bids_sr.superres.slice_stack import SliceStack

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
    boxes : sequence of Box, optional
        The parts of the slices that the network sees
        (`bids_sr.superres.focus.find_head`); all else is interpolated. Default: all.
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
        boxes: Sequence[Box] | None = None,
    ) -> None:
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.factor = int(network.factor)  # type: ignore[arg-type]
        self.device = device
        self.batch_size = batch_size
        self.consistent = consistent
        self.turns = TURNS[ensemble]
        self.band = band
        self.orders = {turn: turned_order(channels, turn[0], flip=turn[1]) for turn in self.turns}
        self.boxes = boxes
        self.notes: list[str] = []

    def __call__(self, channels: np.ndarray | SliceStack) -> np.ndarray:
        """Super-resolve one volume's slices.

        Parameters
        ----------
        channels : numpy.ndarray or SliceStack
            (slices, channels, a, b), float32, in units of the intensity scale. The first is
            interpolated and kept, or what the stack has as `measured`.

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

    def with_copies(self, channels: np.ndarray | SliceStack) -> tuple[np.ndarray, np.ndarray]:
        """Super-resolve one volume's slices and keep each turned copy, too.

        Parameters
        ----------
        channels : numpy.ndarray or SliceStack
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

    def share(self, pixels: int) -> float:
        """Return which share of a series' `pixels` (of all slices of a volume) it sees."""
        return 1.0 if self.boxes is None else sum(box.pixels for box in self.boxes) / pixels

    def _in_batches(self, channels: np.ndarray | SliceStack, *, keep: bool) -> np.ndarray:
        """Return the mean and, if they are kept, the copies: (images, slices, f a, f b)."""
        count, _, rows, columns = channels.shape
        measured = channels.measured if isinstance(channels, SliceStack) else channels[:, 0]
        images = 1 + len(self.turns) if keep else 1
        output = np.empty((images, count, rows * self.factor, columns * self.factor), np.float32)
        seen = whole((count, rows, columns)) if self.boxes is None else self.boxes
        for part, box in _parts(seen, count):
            start = part.start
            while start < part.stop:
                stop = min(start + self.batch_size, part.stop)
                if stop - start == 1 < self.batch_size and start > part.start:
                    # a single slice is rounded another way than several: take one again
                    start -= 1
                try:
                    shown, kept = (self._tensor(a[start:stop]) for a in (channels, measured))
                    made = self._batch(shown, kept, box, keep)
                    for image, slices in zip(output, made, strict=True):
                        image[start:stop] = slices.cpu().numpy()
                except (torch.OutOfMemoryError, RuntimeError) as error:
                    if not _is_out_of_memory(error):
                        raise
                    self._halve(error)
                    continue
                start = stop
        return output

    def _tensor(self, channels: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(channels))
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def _batch(
        self, channels: torch.Tensor, measured: torch.Tensor, box: Box | None, keep: bool
    ) -> list[torch.Tensor]:
        """Return the mean and, if they are kept, the copies: (slices, f a, f b) each."""
        with torch.inference_mode():
            channels, measured = (
                a.to(self.device, non_blocking=self.device.type == "cuda")
                for a in (channels, measured)
            )
            # interpolation and consistency stay outside autocast: they need float32
            interpolated = sinc_upsample(measured[:, None], self.factor)
            if box is None:
                return [interpolated[:, 0]] * (1 + len(self.turns) * keep)
            rows, columns = box.fine(self.factor)
            seen = channels[:, :, box.rows, box.columns]
            copies = self._copies(
                seen, interpolated[..., rows, columns], **self._level(channels, box)
            )
            made = [torch.zeros_like(interpolated[:, 0, rows, columns])]
            for copy in copies:
                made[0] += copy / len(self.turns)
                if keep:
                    made.append(copy.float())
            made = [_inset(image, box, rows, columns, interpolated[:, 0]) for image in made]
            if not self.consistent:
                return made
            return [data_consistency(i, measured, self.factor, self.band) for i in made]

    def _level(self, channels: torch.Tensor, box: Box) -> dict[str, torch.Tensor]:
        """Return what the network must be told of whole slices when it sees parts of them."""
        if box.weight is None or not isinstance(self.network, SubPixelUNet):
            return {}
        level = self.network.level(channels)
        return {} if level is None else {"level": level}

    def _copies(
        self, channels: torch.Tensor, interpolated: torch.Tensor, **whole: torch.Tensor
    ) -> Iterator[torch.Tensor]:
        """Yield what the network makes of each turned copy, turned back: (slices, f a, f b)."""
        channels = channels.contiguous(memory_format=torch.channels_last)
        for quarter, flip in self.turns:
            order = self.orders[quarter, flip]
            sources = (channels[:, order], interpolated)
            turned = [_turn(images, quarter, flip) for images in sources]
            with torch.autocast("cuda", torch.float16, enabled=self.device.type == "cuda"):
                output = self.network(*turned, **whole)
            yield _turn_back(output, quarter, flip)[:, 0]

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


def _parts(boxes: Sequence[Box], count: int) -> Iterator[tuple[slice, Box | None]]:
    """Yield all slices in order, in blocks: with the box that the network sees, or None."""
    done = 0
    for box in boxes:
        if done < box.slices.start:
            yield slice(done, box.slices.start), None
        yield box.slices, box
        done = box.slices.stop
    if done < count:
        yield slice(done, count), None


def _inset(
    image: torch.Tensor, box: Box, rows: slice, columns: slice, interpolated: torch.Tensor
) -> torch.Tensor:
    """Return the whole slices: the network's image in the box, interpolation around it."""
    if box.weight is None:
        return image
    full = interpolated.clone()
    weight = torch.as_tensor(box.weight, dtype=full.dtype, device=full.device)
    # lerp gives its end exactly where the weight is one
    full[:, rows, columns] = torch.lerp(full[:, rows, columns], image.to(full.dtype), weight)
    return full


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
