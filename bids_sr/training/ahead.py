"""Drawing batches in a thread, so that a GPU does not wait for them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import attrs
import torch

from bids_sr.training.task_interface import Sampler

AHEAD = 2
"""Batches drawn ahead: one is copied to the GPU while the next is drawn."""


class BatchesAhead:
    """A sampler that draws the next batches of another in a thread.

    Batches are those that the sampler itself would draw. `state` is that after the last batch that
    was asked for, so that a training that is resumed draws the next one again.

    Parameters
    ----------
    sampler : Sampler
        Draws batches; not to be used directly any more.
    device : torch.device
        Device to which batches will be copied. For a GPU they are in pinned memory, so that the
        copy can run beside the computation.
    """

    def __init__(self, sampler: Sampler, device: torch.device) -> None:
        self._sampler, self._pinned = sampler, device.type == "cuda"
        self._state = sampler.state
        self._size = 0
        self._waiting: deque[Future[tuple[Any, dict[str, object]]]] = deque()
        self._thread = ThreadPoolExecutor(1, "draw")

    @property
    def state(self) -> dict[str, object]:
        """State of the random generator after the last batch that was asked for."""
        return self._state

    @state.setter
    def state(self, value: dict[str, object]) -> None:
        self._state = value
        self.rewind()

    def draw(self, size: int) -> Any:
        """Return the next `size` patches, and have those after them drawn."""
        if size != self._size:
            self.rewind()
            self._size = size
        while len(self._waiting) <= AHEAD:
            self._waiting.append(self._thread.submit(self._draw, size))
        batch, self._state = self._waiting.popleft().result()
        return batch

    def rewind(self) -> None:
        """Forget the batches drawn ahead; they will be drawn again if asked for."""
        for waiting in self._waiting:
            waiting.cancel()
        # whatever it is drawing must have ended before its generator is set back
        self._thread.submit(setattr, self._sampler, "state", self._state).result()
        self._waiting.clear()

    def _draw(self, size: int) -> tuple[Any, dict[str, object]]:
        batch = self._sampler.draw(size)
        if self._pinned:
            tensors = attrs.asdict(batch, recurse=False)
            batch = attrs.evolve(batch, **{name: t.pin_memory() for name, t in tensors.items()})
        return batch, self._sampler.state
