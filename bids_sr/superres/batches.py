"""Running slices through a network in batches, smaller when memory is short."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable

import numpy as np
import torch

from bids_sr.errors import DeviceError
from bids_sr.superres.gpu_faults import is_out_of_memory, is_perhaps_out_of_memory

_LOG = logging.getLogger("bids_sr")
_REMEDY = "Give --device cpu, or free memory on the device."


class Batches:
    """Splits slices into batches, halved when memory is short.

    Parameters
    ----------
    device : torch.device
        Compute device.
    size : int
        Initial batch size, slices.
    """

    def __init__(self, device: torch.device, size: int) -> None:
        self.device, self.size = device, size
        self.largest = 0
        """Slices of the largest batch that was run since `size` was last lowered."""
        self.notes: list[str] = []
        """Notes for the report."""

    def run(self, count: int, work: Callable[[int, int], None]) -> None:
        """Apply `work` to all of `count` slices.

        Parameters
        ----------
        count : int
            Number of slices.
        work : callable
            Called with the start and stop index of each batch. It may be called again for
            slices that are already done.

        Raises
        ------
        DeviceError
            If not even one slice fits into memory.
        """
        start = 0
        while start < count:
            stop = min(start + self.size, count)
            if stop - start == 1 < self.size and start > 0:
                # a single slice is rounded differently from several: repeat one
                start -= 1
            try:
                work(start, stop)
            except RuntimeError as error:
                self._refuse(error)
            else:
                self.largest = max(self.largest, stop - start)
                start = stop
                continue
            # only here, after the `except`, have the error and the frames of its traceback, which
            # hold tensors, been freed
            self._halve(count)

    def place(self, network: torch.nn.Module) -> torch.nn.Module:
        """Return the network on the device, its layers channels last.

        Raises
        ------
        DeviceError
            If it does not fit into memory.
        """
        for last in (False, True):
            try:
                return network.to(self.device).to(memory_format=torch.channels_last)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if last:
                    raise DeviceError(
                        f"The network does not fit into the memory of {self.device}.",
                        remedy=_REMEDY,
                    ) from error
            self._free()
        raise AssertionError

    def tensor(self, images: np.ndarray) -> torch.Tensor:
        """Return an array as a tensor on the device."""
        tensor = torch.from_numpy(np.ascontiguousarray(images))
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor

    def _refuse(self, error: RuntimeError) -> None:
        """Raise an error to which a smaller batch is no answer."""
        if self.size == 1 and is_out_of_memory(error):
            raise DeviceError(
                f"Not even one slice fits into the memory of {self.device}.", remedy=_REMEDY
            ) from error
        if self.size == 1 or not is_perhaps_out_of_memory(error):
            raise error

    def _halve(self, count: int) -> None:
        self.size = min(self.size, count) // 2
        self.largest = 0
        self._free()
        note = (
            f"Memory of {self.device} ran out; going on with batches of {self.size}"
            f" slices (--batch-size {self.size} avoids the retry)."
        )
        _LOG.warning(note)
        self.notes.append(note)

    def _free(self) -> None:
        """Give memory that torch keeps for later back to the device."""
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()
