"""Training and scoring the rows of a study, each in a folder of its own."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import evolve, field, fields, frozen

from bids_sr.bids.atomic import atomic_path, write_json
from bids_sr.bids.locking import lock_path, locked, try_lock
from bids_sr.errors import UsageError
from bids_sr.networks.card import ModelCard
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card
from bids_sr.networks.training_data import seen_in_training
from bids_sr.quality.interpolation import interpolate
from bids_sr.study.logs import ARRAYS, BASELINES, ROWS, SCORES, read_json
from bids_sr.study.rows import Row
from bids_sr.study.scans import Dataset, thin
from bids_sr.study.score import Scorer, Upsampler
from bids_sr.training.export import code_commit, export_model
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.trainer import CHECKPOINT, Trainer
from bids_sr.training.validation import network_upsampler
from bids_sr.training.volume_task import VolumeTask

_LOG = logging.getLogger("bids_sr")
MODEL = "model"
"""Folder of a row's exported network."""
_INTERPOLATED = ("cubic", "sinc")


@frozen
class Study:
    """The data shared by all rows."""

    dataset: Dataset
    """Scans."""
    out: Path
    """Output folder, for ``rows/NAME`` and ``baselines``."""
    vgg16: Path | None = None
    """Weights of the feature network; None: torchvision's, by name."""
    device: str = "cpu"
    """Compute device."""
    threads: int = 1
    """CPU threads of tensor fits."""
    command: str = field(default="bids-sr-study")
    """Command recorded on the model cards."""
    progress: Callable[[str, int, dict[str, float]], None] | None = None
    """Called after each step with row, step and loss terms."""

    def folder(self, row: Row) -> Path:
        """Return the folder of a row."""
        return self.out / ROWS / row.name


def run_rows(study: Study, rows: Sequence[Row]) -> list[str]:
    """Train and score the missing rows, one after another.

    Rows in progress in another process are skipped, so several processes can
    share one output folder.

    Parameters
    ----------
    study : Study
        Scans and settings.
    rows : sequence of Row
        In the order of training; a row comes after the one it starts from.

    Returns
    -------
    list of str
        Rows not done, because another process is working on them or on the row
        they start from.

    Raises
    ------
    UsageError
        If a folder contains a row with other settings.
    """
    left = []
    with Scorer(study.dataset, study.threads) as scorer:
        for row in rows:
            if not _try_row(study, row, scorer):
                _LOG.info("%s: left to another process", row.name)
                left.append(row.name)
    return left


def run_baselines(study: Study, rows: Iterable[Row]) -> None:
    """Score the truth and classical interpolation at the factors and noise levels of the rows.

    Parameters
    ----------
    study : Study
        Scans and settings.
    rows : iterable of Row
        Rows that define the factors and noise levels.
    """
    folder = study.out / BASELINES
    places = sorted({(row.settings.factor, row.noise) for row in rows})
    with locked(lock_path(folder, "baselines")), Scorer(study.dataset, study.threads) as scorer:
        for factor, noise in places:
            for method in ("truth", *_INTERPOLATED):
                target = folder / f"{method}-x{factor}-noise{noise:g}"
                facts = {"method": method, "factor": factor, "noise": noise}
                facts |= _scans(study)
                if not _is_scored(target, facts):
                    upsample = None if method == "truth" else _interpolator(method, factor)
                    _LOG.info("Scoring %s", target.name)
                    _keep(target, facts, *scorer.score(upsample, factor, noise))


def _try_row(study: Study, row: Row, scorer: Scorer) -> bool:
    """Process a row, and return whether it is done; False if another process has it."""
    held = try_lock(lock_path(study.folder(row), "row"))
    if held is None:
        return False
    try:
        if held.reason:
            _LOG.warning(
                "%s: the file system has no locks (%s): let no other process work on this row.",
                study.folder(row),
                held.reason,
            )
        return _run_row(study, row, scorer)
    finally:
        held.release()


def _run_row(study: Study, row: Row, scorer: Scorer) -> bool:
    folder = study.folder(row)
    facts = _facts(row) | _scans(study)
    if _is_scored(folder, facts):
        return True
    settings = row.settings
    if row.start:
        start = study.out / ROWS / row.start / MODEL
        if not (start / "card.json").exists():
            return False
        settings = evolve(settings, init_from=str(start))
    _train(study, row, settings, folder)
    card = find_card(str(folder / MODEL))
    _refuse_trained_on(card, study.dataset.data.test)
    network = load_network(card)
    upsample = network_upsampler(
        network.to(study.device), settings.factor, torch.device(study.device), consistent=False
    )
    _LOG.info("Scoring %s", row.name)
    _keep(folder, facts, *scorer.score(upsample, settings.factor, row.noise))
    return True


def _refuse_trained_on(card: ModelCard, held_out: Iterable[str]) -> None:
    """Raise if an earlier network was trained on a participant that is now held out."""
    for label in held_out:
        if told := seen_in_training(card, label.removeprefix("sub-")):
            raise UsageError(
                told, file=card.folder, remedy="Give another output folder, or remove this row's."
            )


def _train(study: Study, row: Row, settings: Any, folder: Path) -> None:
    if (folder / MODEL / "card.json").exists():
        return
    _LOG.info("Training %s", row.name)
    train = study.dataset.training(settings.factor, row.noise)
    held_out = [thin(run) for _, run in study.dataset.held_out(settings.factor, row.noise)]
    device, fresh = torch.device(study.device), not (folder / CHECKPOINT).exists()
    task = VolumeTask(settings, train, held_out, study.vgg16, device, fresh=fresh)
    trainer = Trainer(task, folder, device)
    report = study.progress
    trainer.run(None if report is None else lambda step, terms: report(row.name, step, terms))
    # an incomplete model folder must not pass for a complete one
    unfinished = folder / f"{MODEL}-unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    card = export_model(
        trainer.mean_network,
        unfinished,
        settings=settings,
        runs=train,
        credit=[],
        licence="not stated",
        command=study.command,
        commit=code_commit(),
        figures={},
        start=settings.init_from,
    )
    evolve(card, name=row.name).save(unfinished)
    unfinished.rename(folder / MODEL)


def _facts(row: Row) -> dict[str, Any]:
    return {
        "row": row.name,
        "layers": list(row.layers),
        "noise": row.noise,
        "start": row.start,
        "settings": row.settings.to_dict(),
    }


def _scans(study: Study) -> dict[str, Any]:
    """Return the participants for training and scoring; scores on others are not comparable."""
    data = study.dataset.data
    return {"train": list(data.train), "test": list(data.test)}


def _is_scored(folder: Path, facts: dict[str, Any]) -> bool:
    if not (folder / SCORES).exists():
        return False
    known = read_json(folder / SCORES)
    if "settings" in facts:
        # settings added later had their defaults then
        given = known.get("settings", {})
        names = {attribute.name for attribute in fields(TrainingSettings)}
        then = TrainingSettings(**{name: given[name] for name in names & given.keys()})
        known["settings"] = then.to_dict()
    for key in ("train", "test"):  # older scores lack these
        known.setdefault(key, facts[key])
    changed = [key for key in facts if known.get(key) != facts[key]]
    if changed:
        raise UsageError(
            f"was made with another {', '.join(changed)}.",
            file=folder / SCORES,
            remedy="Give another output folder, or remove this row's.",
        )
    return True


def _keep(
    folder: Path, facts: dict[str, Any], scores: dict[str, Any], arrays: dict[str, np.ndarray]
) -> None:
    with atomic_path(folder / ARRAYS) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    write_json(folder / SCORES, {**facts, "scores": scores})


def _interpolator(method: str, factor: int) -> Upsampler:
    def upsample(channels: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(interpolate(channels[:, 0].numpy(), factor, method, 0))

    return upsample
