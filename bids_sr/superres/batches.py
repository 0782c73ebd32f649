"""Running slices through a network in batches, smaller when memory is short."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch

from bids_sr.errors import DeviceError

_LOG = logging.getLogger("bids_sr")


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
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve(error)
                continue
            start = stop

    def tensor(self, images: np.ndarray) -> torch.Tensor:
        """Return an array as a tensor on the device."""
        tensor = torch.from_numpy(np.ascontiguousarray(images))
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor

    def _halve(self, error: Exception) -> None:
        if self.size == 1:
            raise DeviceError(
                f"Not even one slice fits into the memory of {self.device}.",
                remedy="Give --device cpu, or free memory on the device.",
            ) from error
        self.size //= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        note = (
            f"Memory of {self.device} ran out; going on with batches of {self.size}"
            f" slices (--batch-size {self.size} avoids the retry)."
        )
        _LOG.warning(note)
        self.notes.append(note)


def _is_out_of_memory(error: Exception) -> bool:
    # the CPU allocator raises a plain RuntimeError
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
