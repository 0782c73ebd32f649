"""Running slices through a network that processes one volume at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from bids_sr.images.kspace import data_consistency, sinc_upsample
from bids_sr.networks.channels import BASIC
from bids_sr.networks.slice_frame import turned_order
from bids_sr.superres.batches import Batches
from bids_sr.superres.precision import FLOAT32, Precision, central, choose_precision
from bids_sr.superres.self_ensemble import TRANSFORMS, rotate_flip, undo_rotate_flip
from bids_sr.superres.slice_stack import SliceStack


class SliceRunner:
    """Runs a network over stacks of slices.

    Layers are channels last and may compute in less than float32 (`bids_sr.superres.precision`);
    interpolation and data consistency stay in float32. Transfers to a GPU use pinned memory.

    Parameters
    ----------
    network : torch.nn.Module
        Network in eval mode; moved to the device.
    batches : Batches
        Device and batch size.
    consistent : bool
        Whether the measured band of the output is replaced by the input's own.
    ensemble : int
        Number of rotations and flips of each slice to average over, a key of
        `TRANSFORMS`.
    band : tuple of float
        Measured share of the input's band along both in-plane axes; only there is
        the output replaced.
    channels : sequence of str
        Names of the channels; those that belong to a direction are permuted when a
        slice is rotated.
    precision : Precision
        Precision of the layers.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        batches: Batches,
        *,
        consistent: bool,
        ensemble: int = 1,
        band: tuple[float, float] = (1.0, 1.0),
        channels: Sequence[str] = BASIC,
        precision: Precision = FLOAT32,
    ) -> None:
        self.network = batches.place(network)
        self.factor = int(network.factor)  # type: ignore[arg-type]
        self.batches = batches
        self.consistent = consistent
        self.transforms = TRANSFORMS[ensemble]
        self.band = band
        self.precision = precision
        self.orders = {one: turned_order(channels, one[0], flip=one[1]) for one in self.transforms}

    def __call__(self, channels: np.ndarray | SliceStack) -> np.ndarray:
        """Super-resolve one volume's slices.

        Parameters
        ----------
        channels : numpy.ndarray or SliceStack
            (slices, channels, a, b), float32, in units of the intensity scale. The
            first, or `measured` of the stack, is used for interpolation and consistency.

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

    def with_members(self, channels: np.ndarray | SliceStack) -> tuple[np.ndarray, np.ndarray]:
        """Super-resolve one volume's slices, and keep each ensemble member.

        Parameters
        ----------
        channels : numpy.ndarray or SliceStack
            (slices, channels, a, b), float32, in units of the intensity scale.

        Returns
        -------
        mean : numpy.ndarray
            (slices, f a, f b), float32; bit-identical to calling the runner.
        members : numpy.ndarray
            (members, slices, f a, f b), float32, rotated back; each made consistent
            with the input like the mean, which is their mean except for rounding.

        Raises
        ------
        DeviceError
            If not even one slice fits into memory.
        """
        output = self._in_batches(channels, keep=True)
        return output[0], output[1:]

    def choose_precision(self, asked: str, stack: SliceStack, volumes: int) -> None:
        """Choose the precision of the layers, and use it from now on.

        Parameters
        ----------
        asked : str
            As for `bids_sr.superres.precision.choose_precision`.
        stack : SliceStack
            Channels of one of the volumes; the middle slices are checked.
        volumes : int
            Number of volumes to super-resolve.
        """
        slices, _, rows, columns = stack.shape
        across, *within = central(slices, rows, columns)

        def detail(precision: Precision) -> torch.Tensor:
            with torch.inference_mode():
                channels = self.batches.tensor(stack[across][:, :, *within])
                measured = self.batches.tensor(stack.measured[across, *within])
                interpolated = sinc_upsample(measured[:, None], self.factor)
                output = next(self._members(channels, interpolated, precision)).float()
                if self.consistent:
                    output = data_consistency(output, measured, self.factor, self.band)
                return output[:, None] - interpolated

        pixels = volumes * len(self.transforms) * slices * rows * columns
        self.precision = choose_precision(asked, self.batches.device, pixels, detail)

    def _in_batches(self, channels: np.ndarray | SliceStack, *, keep: bool) -> np.ndarray:
        """Return the mean and, if they are kept, the members: (images, slices, f a, f b)."""
        count, _, rows, columns = channels.shape
        measured = channels.measured if isinstance(channels, SliceStack) else channels[:, 0]
        images = 1 + len(self.transforms) if keep else 1
        output = np.empty((images, count, rows * self.factor, columns * self.factor), np.float32)

        def work(start: int, stop: int) -> None:
            shown, kept = (self.batches.tensor(a[start:stop]) for a in (channels, measured))
            for image, slices in zip(output, self._batch(shown, kept, keep), strict=True):
                image[start:stop] = slices.cpu().numpy()

        self.batches.run(count, work)
        return output

    def _batch(
        self, channels: torch.Tensor, measured: torch.Tensor, keep: bool
    ) -> list[torch.Tensor]:
        """Return the mean and, if they are kept, the members: (slices, f a, f b) each."""
        with torch.inference_mode():
            # interpolation and consistency stay outside autocast: they need float32
            interpolated = sinc_upsample(measured[:, None], self.factor)
            made = [torch.zeros_like(interpolated[:, 0])]
            for member in self._members(channels, interpolated, self.precision):
                made[0] += member / len(self.transforms)
                if keep:
                    made.append(member.float())
            if not self.consistent:
                return made
            return [data_consistency(i, measured, self.factor, self.band) for i in made]

    def _members(
        self, channels: torch.Tensor, interpolated: torch.Tensor, precision: Precision
    ) -> Iterator[torch.Tensor]:
        """Yield the output for each rotation and flip, undone: (slices, f a, f b)."""
        channels = channels.contiguous(memory_format=torch.channels_last)
        for quarter, flip in self.transforms:
            order = self.orders[quarter, flip]
            turned = [
                rotate_flip(images, quarter, flip) for images in (channels[:, order], interpolated)
            ]
            with precision.layers(channels.device):
                output = self.network(*turned)
            yield undo_rotate_flip(output, quarter, flip)[:, 0]
