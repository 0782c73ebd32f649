"""Building a training task from settings and runs, for both kinds of network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.errors import InputError, UsageError
from bids_sr.networks.card import ModelCard
from bids_sr.networks.loading import load_network
from bids_sr.networks.unet import SubPixelUNet
from bids_sr.superres.precision import computes_in_bfloat16
from bids_sr.training.initial_weights import settings_of
from bids_sr.training.prepare import PreparedRun, Recipe, prepare_run
from bids_sr.training.series_data import PreparedSeries, SeriesRecipe, prepare_series
from bids_sr.training.series_settings import SeriesSettings
from bids_sr.training.series_task import SeriesTask
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.volume_task import VolumeTask

_LOG = logging.getLogger("bids_sr")
Settings = SeriesSettings | TrainingSettings
Prepared = list[PreparedSeries] | list[PreparedRun]


def make_task(
    settings: Settings,
    learn: Sequence[DwiRun],
    held_out: Sequence[DwiRun],
    cache: Path,
    vgg16: Path | None,
    device: torch.device,
    *,
    fresh: bool,
) -> tuple[SeriesTask | VolumeTask, Prepared]:
    """Prepare the runs and build the task for a `Trainer`.

    Parameters
    ----------
    settings : SeriesSettings or TrainingSettings
        Settings of the training; their class determines the kind of network.
    learn, held_out : sequence of DwiRun
        Runs for training and for validation.
    cache : pathlib.Path
        Folder of prepared runs.
    vgg16 : pathlib.Path, optional
        Weights file of the feature network.
    device : torch.device
        Device to train on.
    fresh : bool
        Whether to load the weights of ``init_from``; False if a checkpoint is loaded afterwards.

    Returns
    -------
    task : SeriesTask or VolumeTask
    train : list
        Prepared training runs.

    Raises
    ------
    InputError
        If a run cannot be read, or has no usable shell.
    UsageError
        If the settings leave no training data.
    """
    if isinstance(settings, SeriesSettings):
        series = _series_to_learn(settings, learn, cache)
        recipe = SeriesRecipe(factor=settings.factor, volumes=True)
        others = [prepare_series(run, cache, recipe) for run in held_out]
        return SeriesTask(settings, series, others, vgg16, device, fresh=fresh), series
    train = [
        run
        for coarsening in settings.coarsening
        for degradation in settings.degradation
        for run in _volumes(settings, learn, cache, coarsening, degradation)
    ]
    score = _volumes(settings, held_out, cache, 1.0, settings.degradation[0])
    return VolumeTask(settings, train, score, vgg16, device, fresh=fresh), train


def _series_to_learn(
    settings: SeriesSettings, runs: Sequence[DwiRun], cache: Path
) -> list[PreparedSeries]:
    prepared = []
    for run in runs:
        for coarsening in settings.coarsening:
            recipe = SeriesRecipe(
                factor=settings.factor,
                coarsening=coarsening,
                subsets=settings.subsets,
                seed=settings.seed,
            )
            ready = prepare_series(run, cache, recipe)
            if not ready.teaching:
                raise InputError(
                    "cannot be used for training: it has no b0, and no shell of 6 or more"
                    " directions.",
                    file=run.image,
                    remedy="Remove it from --train-label.",
                )
            if min(ready.lr_zooms[:2]) < settings.finest:
                _LOG.info("%s: finer than %g mm, left out.", ready.label, settings.finest)
                continue
            prepared.append(ready)
    if not prepared:
        raise UsageError(
            f"No scan is left to train on: all have voxels finer than {settings.finest:g} mm"
            " at low resolution.",
            remedy="Give a smaller --finest, or a larger --coarsening.",
        )
    return prepared


def _volumes(
    settings: TrainingSettings,
    runs: Sequence[DwiRun],
    cache: Path,
    coarsening: float,
    degradation: str,
) -> list[PreparedRun]:
    recipe = Recipe(
        factor=settings.factor,
        subset=settings.subset,
        seed=settings.seed,
        coarsening=coarsening,
        degradation=degradation,
    )
    prepared = []
    for run in runs:
        ready = prepare_run(run, cache, recipe)
        if coarsening > 1 and min(ready.lr.shape[2:]) < settings.patch:
            _LOG.info("%s: too small to be made %g times coarser.", ready.label, coarsening)
            continue
        prepared.append(ready)
    return prepared


def settings_of_start(kind: type[Settings], card: ModelCard) -> dict[str, Any]:
    """Return the settings that an initial model determines unless given explicitly.

    Parameters
    ----------
    kind : type
        `SeriesSettings` or `TrainingSettings`.
    card : ModelCard
        Card of the initial model.

    Returns
    -------
    dict
        Keyed by the fields of `kind`. A series network that starts from a network for single
        volumes takes its factor, depth, blocks and kernels, but has its own widths.

    Raises
    ------
    ModelError
        If the card does not match its weights, or no network of this kind can start from it.
    """
    if kind is TrainingSettings:
        return settings_of(card)
    given = load_network(card)
    if card.sees_series:
        return {name: value for name, value in card.architecture.items() if name != "class"}
    if not isinstance(given, SubPixelUNet):
        return {"factor": card.factor}
    taps = {"taps": given.taps} if given.taps else {}
    blocks = len(given.encoders[0])  # type: ignore[arg-type]
    return {"factor": card.factor, "depth": given.depth, "blocks": blocks, **taps}


def choose_precision(name: str, device: torch.device) -> str:
    """Resolve ``auto`` to ``bfloat16`` if the device computes in it; return other names as is."""
    if name != "auto":
        return name
    return "bfloat16" if computes_in_bfloat16(device) else "float32"
