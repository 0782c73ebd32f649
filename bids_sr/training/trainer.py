"""The training loop: patches, loss, optimiser, checkpoints, validation."""

from __future__ import annotations

import copy
import csv
import logging
import math
import os
import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from bids_sr.bids.atomic import atomic_path
from bids_sr.errors import UsageError
from bids_sr.networks.loading import build_network
from bids_sr.networks.paper_unet import start_paper_network
from bids_sr.training.losses import FeatureLoss, directional_loss
from bids_sr.training.patches import Batch, PatchSampler
from bids_sr.training.prepare import PreparedRun
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.start import start_from
from bids_sr.training.validation import interpolators, network_upsampler, validate

_LOG = logging.getLogger("bids_sr")
CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
VALIDATION = "validation.csv"


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Return the learning rate at `step`, a pure function so that a resume repeats it."""
    warmup = settings.warmup
    if settings.schedule == "one-cycle":
        warmup = round(0.3 * settings.steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, settings.steps - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


class Trainer:
    """Trains one network and keeps all it needs to go on after any interruption.

    Parameters
    ----------
    settings : TrainingSettings
        What to do.
    train, held_out : sequences of PreparedRun
        To learn from, and to validate on.
    folder : pathlib.Path
        Takes ``checkpoint.pt``, ``log.csv`` and ``validation.csv``.
    vgg16 : pathlib.Path, optional
        Weights of the feature loss.
    device : str
        Where to compute.

    Raises
    ------
    UsageError
        If `folder` holds a checkpoint of other settings (steps may differ) or scans.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        train: Sequence[PreparedRun],
        held_out: Sequence[PreparedRun],
        folder: Path,
        vgg16: Path | None = None,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.folder = folder
        self.device = torch.device(device)
        network = build_network(settings.architecture)
        start_paper_network(network, from_interpolation=settings.from_interpolation)
        if settings.init_from and not (folder / CHECKPOINT).exists():
            start_from(network, settings.init_from, settings.channels)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self.mean_network = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.learning_rate,
            betas=(
                0.9,
                0.99,
            ),  # a short memory of squared gradients: steep steps are damped at once
            weight_decay=settings.weight_decay,
        )
        self.crops = np.random.default_rng(settings.seed + 1)
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
            settings.directions,
            settings.noise,
            augment=settings.augment,
            b0_share=settings.b0_share,
        )
        self.held_out = list(held_out)
        self.validations: list[dict[str, Any]] = []
        # going on with other people would mix up who was learned from
        self._scans = {
            "scans to learn from": sorted({run.label for run in train}),
            "scans held out": sorted({run.label for run in held_out}),
        }
        self.step = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, progress: Callable[[int, dict[str, float]], None] | None = None) -> None:
        """Train to the last step, with checkpoints and validations on the way."""
        settings, started = self.settings, time.monotonic()
        while self.step < settings.steps:
            terms = self.train_step(self.sampler.draw(settings.batch_size))
            self.step += 1
            if progress is not None:
                progress(self.step, terms)
            if self.step % 10 == 0:
                elapsed = round(time.monotonic() - started, 1)
                self._log(LOG, {"step": self.step, **terms, "seconds": elapsed})
            last = self.step == settings.steps
            if last or self.step % settings.validate_every == 0:
                self._validate()
            if last or self.step % settings.checkpoint_every == 0:
                self.save()

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Take one optimiser step and return the terms of the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.step)
        channels = batch.channels.to(self.device, memory_format=torch.channels_last)
        target = batch.target.to(self.device)
        output = self.network(channels, batch.interpolated.to(self.device))
        pixel = functional.l1_loss(output, target)
        loss, terms = pixel, {"l1": float(pixel.detach())}
        if self.settings.directional:
            apart = directional_loss(
                output, target, batch.weighted.to(self.device), self.settings.directions
            )
            loss, terms["directional"] = (
                loss + self.settings.directional * apart,
                float(apart.detach()),
            )
        if self.features is not None:
            window = self._crop(target.shape[-1])
            feature = self.features(output[..., *window], target[..., *window])
            loss, terms["feature"] = loss + feature, float(feature.detach())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        self._average()
        terms["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        return terms

    def validation_rows(self) -> list[dict[str, Any]]:
        """Score the mean network and the interpolations on the held-out runs."""
        factor, rows = self.settings.factor, []
        methods = interpolators(factor)
        for name, consistent in (("network", False), ("network+consistency", True)):
            methods[name] = network_upsampler(
                self.mean_network, factor, self.device, consistent=consistent
            )
        for run in self.held_out:
            scores = validate(run, self.settings.channels, methods)
            rows += [{"step": self.step, "run": run.label, **score} for score in scores]
        return rows

    def save(self) -> None:
        """Write a checkpoint from which training goes on exactly."""
        content = {
            "settings": self.settings.to_dict(),
            "scans": self._scans,
            "step": self.step,
            "network": self.network.state_dict(),
            "mean_network": self.mean_network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "sampler": self.sampler.state,
            "crops": dict(self.crops.bit_generator.state),
            "validations": self.validations,
        }
        with atomic_path(self.folder / CHECKPOINT) as temporary:
            torch.save(content, temporary)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        content = self._read(path)
        # settings that came later had their default then
        now, then = self.settings.to_dict(), TrainingSettings().to_dict() | content["settings"]
        now, then = now | self._scans, then | content.get("scans", self._scans)
        changed = sorted(key for key in now if now[key] != then[key] and key != "steps")
        if changed:
            values = "; ".join(f"{key} {then[key]!r}, not {now[key]!r}" for key in changed)
            raise UsageError(
                f"was made with other settings: {values}.",
                file=path,
                remedy="Train into another folder, or give the settings it began with.",
            )
        self.network.load_state_dict(content["network"])
        self.mean_network.load_state_dict(content["mean_network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.sampler.state = content["sampler"]
        self.crops.bit_generator.state = content["crops"]
        self.step = content["step"]
        self.validations = content.get("validations", [])
        for name in (LOG, VALIDATION):
            _forget_after(self.folder / name, self.step)
        _LOG.info("Resuming at step %d", self.step)

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            content["settings"], content["sampler"], content["crops"], content["step"]
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
            raise UsageError(
                "cannot be read as a checkpoint.",
                file=path,
                remedy="Remove it, which begins the training anew, or train into another folder.",
            ) from error
        return dict(content)

    def _average(self) -> None:
        # early on the mean follows closely, or it would keep the first weights for long
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        pairs = zip(self.mean_network.parameters(), self.network.parameters(), strict=True)
        with torch.no_grad():
            for mean, current in pairs:
                mean.lerp_(current, 1 - decay)
            # running statistics of normalisation layers are means already
            buffers = zip(self.mean_network.buffers(), self.network.buffers(), strict=True)
            for statistic, now in buffers:
                statistic.copy_(now)

    def _crop(self, side: int) -> tuple[slice, slice]:
        size = min(self.settings.feature_crop, side)
        row, column = self.crops.integers(0, side - size + 1, 2)
        return slice(row, row + size), slice(column, column + size)

    def _validate(self) -> None:
        for row in self.validation_rows():
            self.validations.append(row)
            _LOG.info("%s", "  ".join(f"{k}={_short(v)}" for k, v in row.items()))
            self._log(VALIDATION, row)

    def _log(self, name: str, row: dict[str, Any]) -> None:
        path = self.folder / name
        with path.open("a+", newline="") as stream:
            stream.seek(0)
            columns = csv.DictReader(stream).fieldnames or []
            if set(row) <= set(columns):
                stream.seek(0, os.SEEK_END)
                csv.DictWriter(stream, fieldnames=columns).writerow(row)
                return
        # there is none yet, or one that was begun when there were fewer figures
        _write_log(path, list(dict.fromkeys([*columns, *row])), [*_read_log(path)[1], row])


def _forget_after(path: Path, step: int) -> None:
    """Drop the rows of steps that an interruption undid; they are about to come again."""
    columns, rows = _read_log(path)
    if columns:
        _write_log(path, columns, [row for row in rows if int(row["step"]) <= step])


def _read_log(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    if not path.exists():
        return [], []
    with path.open(newline="") as stream:
        reader = csv.DictReader(stream)
        rows: list[dict[str, Any]] = list(reader)
        return list(reader.fieldnames or []), rows


def _write_log(path: Path, columns: list[str], rows: Sequence[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)


def _short(value: Any) -> str:
    if value is None:
        return "n/a"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
