"""Training task for networks for single volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from bids_sr.networks.loading import build_network
from bids_sr.networks.paper_unet import start_paper_network
from bids_sr.training.initial_weights import load_initial_weights
from bids_sr.training.losses import FeatureLoss
from bids_sr.training.patches import Batch, PatchSampler
from bids_sr.training.prepare import PreparedRun
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.task_interface import Task
from bids_sr.training.validation import interpolators, network_upsampler, validate


class VolumeTask(Task):
    """Batches, loss and validation of a network for single volumes.

    Parameters
    ----------
    settings : TrainingSettings
        Settings of the training.
    train, held_out : sequence of PreparedRun
        Prepared runs for training and for validation.
    vgg16 : pathlib.Path, optional
        Weights file of the feature network.
    device : torch.device
        Device to train on.
    fresh : bool
        Whether to load the weights of ``init_from``; False if a checkpoint is loaded afterwards.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        train: Sequence[PreparedRun],
        held_out: Sequence[PreparedRun],
        vgg16: Path | None,
        device: torch.device,
        *,
        fresh: bool = True,
    ) -> None:
        super().__init__(settings, train, held_out, device)
        self.network = build_network(settings.architecture)
        start_paper_network(self.network, from_interpolation=settings.from_interpolation)
        if settings.init_from and fresh:
            load_initial_weights(self.network, settings.init_from, settings.channels)
        self.groups = [list(self.network.parameters())]
        self.features = None
        if settings.layers:
            self.features = FeatureLoss(
                settings.layers,
                vgg16,
                network=settings.feature_network,
                pool=settings.pool,
                roll=settings.roll,
                relative=settings.relative_features,
                normalise=settings.normalise_features,
                generator=self.crops,
            ).to(self.device)
        self.sampler = PatchSampler(
            train,
            settings.factor,
            settings.channels,
            settings.patch,
            settings.seed,
            settings.zero_filled,
            settings.noise,
            augment=settings.augment,
            b0_share=settings.b0_share,
        )
        self.held_out = list(held_out)

    def loss(self, network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss of a batch, and its terms."""
        channels = self.send(batch.channels).contiguous(memory_format=torch.channels_last)
        target = self.send(batch.target)
        output = network(channels, self.send(batch.interpolated))
        pixel = functional.l1_loss(output, target)
        loss, terms = pixel, {"l1": float(pixel.detach())}
        if self.features is not None:
            rows, columns = self.crop(target.shape[-1])
            feature = self.features(output[..., rows, columns], target[..., rows, columns])
            loss, terms["feature"] = loss + feature, float(feature.detach())
        return loss, terms

    def validate(self, network: torch.nn.Module) -> list[dict[str, Any]]:
        """Score the network and the interpolations on the held-out runs."""
        factor, rows = self.settings.factor, []
        methods = interpolators(factor)
        for name, consistent in (("network", False), ("network+consistency", True)):
            methods[name] = network_upsampler(network, factor, self.device, consistent=consistent)
        for run in self.held_out:
            scores = validate(run, self.settings.channels, methods)
            rows += [{"run": run.label, **score} for score in scores]
        return rows
