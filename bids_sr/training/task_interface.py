"""Interface between the training loop and a training task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch


class Labelled(Protocol):
    """A prepared run, or any object with a run's label."""

    @property
    def label(self) -> str:
        """Label of the run."""


class Sampler(Protocol):
    """Draws batches."""

    state: dict[str, object]
    """State of the random generator."""

    def draw(self, size: int) -> Any:
        """Draw `size` patches."""


class Task(ABC):
    """Batches, loss and validation of a network.

    Parameters
    ----------
    settings : SeriesSettings or TrainingSettings
        Settings of the training; all random generators use its seed.
    train, held_out : sequence
        Prepared runs for training and for validation.
    device : torch.device
        Device to train on.
    """

    network: torch.nn.Module
    """Network to train."""
    groups: list[list[torch.nn.Parameter]]
    """Groups of weights whose gradients are clipped together."""
    sampler: Sampler
    """Source of the batches."""

    def __init__(
        self,
        settings: Any,
        train: Sequence[Labelled],
        held_out: Sequence[Labelled],
        device: torch.device,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device
        self.scans = {
            "scans to learn from": sorted({run.label for run in train}),
            "scans held out": sorted({run.label for run in held_out}),
        }
        self.crops = np.random.default_rng(settings.seed + 1)
        """Random generator for the crops on which features are compared."""

    @property
    def state(self) -> dict[str, Any]:
        """State of the random generators."""
        return {"sampler": self.sampler.state, "crops": dict(self.crops.bit_generator.state)}

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        self.sampler.state = value["sampler"]
        self.crops.bit_generator.state = value["crops"]

    def draw(self) -> Any:
        """Return the next batch."""
        return self.sampler.draw(self.settings.batch_size)

    def send(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor of a batch on the device; the copy from pinned memory is not awaited."""
        return tensor.to(self.device, non_blocking=True)

    def crop(self, side: int) -> tuple[slice, slice]:
        """Draw the rows and columns, `side` pixels each, on which features are compared."""
        size = min(self.settings.feature_crop, side)
        row, column = self.crops.integers(0, side - size + 1, 2)
        return slice(row, row + size), slice(column, column + size)

    @abstractmethod
    def loss(self, network: torch.nn.Module, batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss of a batch, and its terms."""

    @abstractmethod
    def validate(self, network: torch.nn.Module) -> list[dict[str, Any]]:
        """Score a network on the held-out runs."""
