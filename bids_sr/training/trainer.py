"""Training loop: optimiser steps, checkpoints and validation."""

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

import torch

from bids_sr.bids.atomic import atomic_path
from bids_sr.errors import UsageError
from bids_sr.superres.gpu_faults import loss_told
from bids_sr.superres.precision import float32_is_exact
from bids_sr.training.ahead import BatchesAhead
from bids_sr.training.task_interface import Task

_LOG = logging.getLogger("bids_sr")
CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
VALIDATION = "validation.csv"
_COOLING = 0.2
"""Fraction of a ``constant`` schedule over which the learning rate finally decays."""
_STEEP = 2.0
"""Largest gradient norm, relative to its running average."""
_NEWER = 0.02
"""Weight of the latest gradient norm in the running average."""


def learning_rate(settings: Any, step: int) -> float:
    """Return the learning rate at `step`: a pure function, so that resuming reproduces it."""
    warmup = settings.warmup
    if settings.schedule == "one-cycle":
        warmup = round(0.3 * settings.steps)
    if step < warmup:
        return float(settings.learning_rate * (step + 1) / warmup)
    if settings.schedule == "constant":
        # constant, then decay: a training can be extended without repeating it
        return float(
            settings.learning_rate * min(1.0, (settings.steps - step) / (_COOLING * settings.steps))
        )
    done = (step - warmup) / max(1, settings.steps - warmup)
    return float(settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


class Trainer:
    """Trains one network, with checkpoints to resume after an interruption.

    Parameters
    ----------
    task : Task
        Training task; its network is moved to `device`.
    folder : pathlib.Path
        Folder for ``checkpoint.pt``, ``log.csv`` and ``validation.csv``.
    device : torch.device
        Device to train on.

    Raises
    ------
    UsageError
        If `folder` has a checkpoint with other settings (except the number of steps) or scans.
    """

    def __init__(self, task: Task, folder: Path, device: torch.device) -> None:
        self.task, self.settings = task, task.settings
        self.folder, self.device = folder, device
        if device.type == "cuda":
            task.sampler = BatchesAhead(task.sampler, device)
        with loss_told(str(device), "Free memory on the device, or give --device cpu."):
            network = task.network.to(device).to(memory_format=torch.channels_last)
        self.network: torch.nn.Module = network
        self.mean_network = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.settings.learning_rate,
            # short memory of squared gradients, so that steep steps are damped at once
            betas=(0.9, 0.99),
            weight_decay=self.settings.weight_decay,
        )
        self.validations: list[dict[str, Any]] = []
        self._usual: list[float] = []
        # resuming with other participants would make the list of training data wrong
        self._scans = task.scans
        self.step = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, progress: Callable[[int, dict[str, float]], None] | None = None) -> None:
        """Train up to the last step, writing checkpoints and validating along the way.

        Raises
        ------
        DeviceError
            If a batch does not fit into the memory of the device.
        DeviceLostError
            If the GPU fails; the training can be resumed.
        """
        told = loss_told(str(self.device), "Give a smaller --batch-size or --patch.")
        try:
            with told, float32_is_exact(gpu_layers="tf32"):
                self._run(progress)
        finally:
            if isinstance(self.task.sampler, BatchesAhead):
                self.task.sampler.rewind()

    def _run(self, progress: Callable[[int, dict[str, float]], None] | None) -> None:
        settings, started = self.settings, time.monotonic()
        while self.step < settings.steps:
            terms = self.train_step(self.task.draw())
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

    def train_step(self, batch: Any) -> dict[str, float]:
        """Take one optimiser step and return the terms of the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.step)
        loss, terms = self.task.loss(self.network, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._clip()
        self.optimizer.step()
        self._average()
        terms["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        return terms

    def validation_rows(self) -> list[dict[str, Any]]:
        """Score the averaged network and the interpolations on the held-out runs."""
        with float32_is_exact():
            rows = self.task.validate(self.mean_network)
        return [{"step": self.step, **row} for row in rows]

    def save(self) -> None:
        """Write a checkpoint from which training can resume exactly."""
        content = {
            "settings": self.settings.to_dict(),
            "scans": self._scans,
            "step": self.step,
            "network": self.network.state_dict(),
            "mean_network": self.mean_network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "usual": self._usual,
            "state": self.task.state,
            "validations": self.validations,
        }
        with atomic_path(self.folder / CHECKPOINT) as temporary:
            torch.save(content, temporary)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        content = self._read(path)
        # settings added since then had their default values
        now = self.settings.to_dict()
        then = type(self.settings)().to_dict() | content["settings"]
        if unknown := sorted(content["settings"].keys() - now.keys()):
            raise UsageError(
                f"is of a training of another kind or version, with {', '.join(unknown)}.",
                file=path,
                remedy="Train into another folder.",
            )
        now, then = now | self._scans, then | content.get("scans", self._scans)
        changed = sorted(key for key in now if now[key] != then[key] and key != "steps")
        if changed:
            values = "; ".join(f"{key} {then[key]!r}, not {now[key]!r}" for key in changed)
            raise UsageError(
                f"was made with other settings: {values}.",
                file=path,
                remedy="Train into another folder, or give the original settings.",
            )
        self.network.load_state_dict(content["network"])
        self.mean_network.load_state_dict(content["mean_network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.task.state = content["state"]
        self._usual = content["usual"]
        self.step = content["step"]
        self.validations = content.get("validations", [])
        for name in (LOG, VALIDATION):
            _forget_after(self.folder / name, self.step)
        _LOG.info("Resuming at step %d", self.step)

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            content["settings"], content["state"], content["usual"], content["step"]
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
            raise UsageError(
                "cannot be read as a checkpoint.",
                file=path,
                remedy="Remove it, which restarts the training, or train into another folder.",
            ) from error
        return dict(content)

    def _average(self) -> None:
        # follow closely at first; otherwise the initial weights would linger
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        pairs = zip(self.mean_network.parameters(), self.network.parameters(), strict=True)
        with torch.no_grad():
            for mean, current in pairs:
                mean.lerp_(current, 1 - decay)
            # running statistics of normalisation layers are averages already
            buffers = zip(self.mean_network.buffers(), self.network.buffers(), strict=True)
            for statistic, now in buffers:
                statistic.copy_(now)

    def _clip(self) -> None:
        """Clip the gradient to a fixed norm, or to twice the running average of its norm.

        Without normalisation layers, a single large step can make training diverge.
        """
        if self.settings.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
            return
        usual = self._usual or [math.inf] * len(self.task.groups)
        self._usual = []
        for weights, before in zip(self.task.groups, usual, strict=True):
            norm = float(torch.nn.utils.clip_grad_norm_(weights, _STEEP * before))
            norm = min(norm, _STEEP * before)
            self._usual.append(norm if math.isinf(before) else before + _NEWER * (norm - before))

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
        # there is no file yet, or an older one with fewer columns
        _write_log(path, list(dict.fromkeys([*columns, *row])), [*_read_log(path)[1], row])


def _forget_after(path: Path, step: int) -> None:
    """Drop the rows of steps after the checkpoint, which will be repeated."""
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
