"""Training task for series networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bids_sr.networks.loading import build_network
from bids_sr.networks.series_network import LIFT, SeriesNetwork
from bids_sr.networks.series_parts import L2_PARTS, PARTS
from bids_sr.training.losses import FeatureLoss
from bids_sr.training.series_data import PreparedSeries
from bids_sr.training.series_initial_weights import load_initial_series_weights
from bids_sr.training.series_patches import SeriesBatch, SeriesSampler
from bids_sr.training.series_settings import EDGES, MEAN_WEIGHT, TRUNKS, SeriesSettings
from bids_sr.training.series_validation import validate_series
from bids_sr.training.task_interface import Task

_MEANS = PARTS - L2_PARTS


def charbonnier(difference: torch.Tensor, edge: float) -> torch.Tensor:
    """Return ``sqrt(x^2 + edge^2) - edge``: an L1 loss that is smooth near zero [1]_.

    References
    ----------
    .. [1] Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for
       computed imaging", ICIP 1994.
    """
    return (difference.square() + edge**2).sqrt() - edge


class SeriesTask(Task):
    """Batches, loss and validation of a series network.

    Parameters
    ----------
    settings : SeriesSettings
        Settings of the training.
    train, held_out : sequence of PreparedSeries
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
        settings: SeriesSettings,
        train: Sequence[PreparedSeries],
        held_out: Sequence[PreparedSeries],
        vgg16: Path | None,
        device: torch.device,
        *,
        fresh: bool = True,
    ) -> None:
        super().__init__(settings, train, held_out, device)
        network = build_network(settings.architecture)
        assert isinstance(network, SeriesNetwork)
        self.network: torch.nn.Module = network
        self.groups = []
        for name in TRUNKS:
            weights = list(network.get_submodule(name).parameters())
            if name in settings.trunks:
                self.groups.append(weights)
            else:
                for weight in weights:
                    weight.requires_grad_(False)
        self._features = None
        if settings.layers:
            features = FeatureLoss(settings.layers, vgg16, generator=self.crops)
            self._features = features.to(device)
        self.sampler = self._new_sampler(train)
        if settings.init_from and fresh:
            # from a separate sampler: training batches do not depend on the initial weights
            shown = self._new_sampler(train).draw(settings.batch_size).images
            load_initial_series_weights(network, settings.init_from, shown)
        self._held_out = list(held_out)

    def _new_sampler(self, train: Sequence[PreparedSeries]) -> SeriesSampler:
        s = self.settings
        return SeriesSampler(train, s.factor, s.patch, s.seed, s.zero_filled, s.noise)

    def loss(
        self, network: torch.nn.Module, batch: SeriesBatch
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss of a batch, and its terms."""
        images = self.send(batch.images).contiguous(memory_format=torch.channels_last)
        target, known = self.send(batch.target), self.send(batch.known)
        lower = self.settings.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=lower):
            output = network(images)
        difference = (output - target) * known[:, :, None, None]
        weights = difference.new_tensor((1.0, MEAN_WEIGHT))[:, None, None]
        means = (weights * charbonnier(difference[:, :_MEANS], EDGES["means"])).mean()
        l2 = charbonnier(difference[:, _MEANS:] * LIFT, EDGES["l2"]).mean()
        loss, terms = means + l2, {"means": float(means.detach()), "l2": float(l2.detach())}
        if self._features is not None:
            feature = self._compare_features(batch, output, target)
            loss, terms["feature"] = loss + feature, float(feature.detach())
        return loss, terms

    def _compare_features(
        self, batch: SeriesBatch, output: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """Compare features on a crop of one volume per patch, of randomly drawn direction."""
        rows, columns = self.crop(target.shape[-1])
        mix = self.send(batch.mix)[:, :, None, None]
        interpolated = self.send(batch.interpolated)
        volumes = [
            (mix * (interpolated + detail)[..., rows, columns]).sum(1, keepdim=True)
            for detail in (output, target)
        ]
        return self._features(*volumes)  # type: ignore[misc]

    def validate(self, network: torch.nn.Module) -> list[dict[str, Any]]:
        """Score a network on the held-out runs."""
        return [
            {"run": run.label, **validate_series(run, network, self.device)}
            for run in self._held_out
        ]
