"""The command ``bids-sr-train``."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bids_sr.door import enter_logging
from bids_sr.errors import UsageError
from bids_sr.training.parser import build_parser

if TYPE_CHECKING:
    from bids_sr.bids.dwi_run import DwiFiles, DwiRun
    from bids_sr.training.prepare import PreparedRun
    from bids_sr.training.settings import TrainingSettings
    from bids_sr.training.trainer import Trainer


_LOG = logging.getLogger("bids_sr")


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and export the model folder.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default: those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 1 bad input, 2 wrong usage; else as `bids_sr.door.enter`.
    """
    return enter_logging("bids-sr-train", build_parser, _train, argv)


def _train(arguments: argparse.Namespace, argv: list[str]) -> None:
    # torch and friends only now, after the arguments were found to be right
    from bids_sr.superres.device import choose_device
    from bids_sr.training.checked import open_checked
    from bids_sr.training.export import code_commit, export_model
    from bids_sr.training.trainer import CHECKPOINT, Trainer
    from bids_sr.training.volume_task import VolumeTask

    # a wrong name ends it here, not after the scans were prepared
    device = choose_device(arguments.device)
    settings, commit = _settings(arguments), code_commit()
    to_learn, to_score = _find(arguments)
    runs, validation = (
        [open_checked(files, arguments.gradient_check) for files in found]
        for found in (to_learn, to_score)
    )
    train = [
        run
        for coarsening in settings.coarsening
        for degradation in settings.degradation
        for run in _prepare(
            arguments,
            settings,
            runs,
            coarsening=coarsening,
            degradation=degradation,
        )
    ]
    held_out = _prepare(arguments, settings, validation)
    _warn_of_start(settings.init_from, to_score)
    out, fresh = arguments.output_dir, not (arguments.output_dir / CHECKPOINT).exists()
    task = VolumeTask(settings, train, held_out, arguments.vgg16, device, fresh=fresh)
    trainer = Trainer(task, out, device)
    _run_with_bar(trainer)
    name = arguments.name or f"trained-x{settings.factor}"
    card = export_model(
        trainer.mean_network,
        arguments.output_dir / name,
        settings=settings,
        runs=train,
        credit=arguments.credit,
        licence=arguments.licence,
        command=shlex.join(["bids-sr-train", *argv]),
        commit=commit,
        figures={"validation": trainer.validation_rows()} if held_out else {},
        start=settings.init_from,
    )
    _LOG.info(
        "Model folder: %s (bids-sr ... --scale %d --model %s)",
        card.folder, card.factor, card.folder,
    )  # fmt: skip


def _settings(arguments: argparse.Namespace) -> TrainingSettings:
    from attrs import fields_dict

    from bids_sr.networks.registry import find_card
    from bids_sr.training.settings import TrainingSettings
    from bids_sr.training.start import settings_of

    start = settings_of(find_card(arguments.init_from)) if arguments.init_from else {}
    said = dict(vars(arguments))
    if "scale" in said:
        said["factor"] = said["scale"]
    said["layers"] = dict(_layer(text) for text in arguments.layers)
    given = start | {key: said[key] for key in fields_dict(TrainingSettings) if key in said}
    _check_heeded(given, said, arguments.init_from)
    try:
        return TrainingSettings(**given)
    except ValueError as error:
        raise UsageError(f"{error}.", remedy="Correct --channels.") from error


def _check_heeded(given: dict[str, Any], said: dict[str, Any], model: str) -> None:
    """Refuse what the network to start from has no place for."""
    if given.get("network", "SubPixelUNet") == "SubPixelUNet":
        return
    vain = [name for name in ("channels", "depth", "blocks", "taps") if name in said]
    if vain:
        raise UsageError(
            f"The network of {model}, a {given['network']}, has no --{' or --'.join(vain)}.",
            remedy="Leave that out, or start from another model.",
        )


def _layer(text: str) -> tuple[str, float]:
    name, _, weight = text.partition("=")
    try:
        return name, float(weight)
    except ValueError:
        raise UsageError(
            f"--layers {text}: no weight given.", remedy="Write for example relu1_2=0.1."
        ) from None


def _find(arguments: argparse.Namespace) -> tuple[list[DwiFiles], list[DwiFiles]]:
    """Find the runs to learn from, and those held out: other people's."""
    from bids_sr.bids.sources import find_training_runs
    from bids_sr.training.apart import refuse_shared_labels, refuse_shared_scans

    labels = arguments.train_label, arguments.validate_label
    refuse_shared_labels(*labels)
    train, held_out = (
        find_training_runs(arguments.bids_dir, names) if names else [] for names in labels
    )
    refuse_shared_scans(train, held_out)
    return train, held_out


def _warn_of_start(model: str, held_out: list[DwiFiles]) -> None:
    """Say if somebody who is held out may have been learned from before."""
    from bids_sr.networks.registry import find_card
    from bids_sr.networks.training_data import seen_in_training

    if not model:
        return
    card = find_card(model)
    for participant in dict.fromkeys(files.subject for files in held_out):
        if told := seen_in_training(card, participant):
            _LOG.warning("Validation: %s", told)


def _prepare(
    arguments: argparse.Namespace,
    settings: TrainingSettings,
    runs: list[DwiRun],
    **how: Any,
) -> list[PreparedRun]:
    from bids_sr.training import prepare

    cache = arguments.cache or arguments.output_dir / "cache"
    recipe = prepare.Recipe(
        factor=settings.factor,
        subset=settings.subset,
        seed=settings.seed,
        **{"degradation": settings.degradation[0], **how},
    )
    prepared = []
    for run in runs:
        ready = prepare.prepare_run(run, cache, recipe)
        if recipe.coarsening > 1 and min(ready.lr.shape[2:]) < settings.patch:
            _LOG.info("%s: too small to be made %g times coarser.", ready.label, recipe.coarsening)
            continue
        prepared.append(ready)
    return prepared


def _run_with_bar(trainer: Trainer) -> None:
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    with (
        logging_redirect_tqdm(),
        tqdm(
            total=trainer.settings.steps,
            initial=trainer.step,
            unit="step",
            mininterval=1 if sys.stderr.isatty() else 60,
        ) as bar,
    ):

        def show(step: int, terms: dict[str, float]) -> None:
            bar.set_postfix({key: f"{value:.4g}" for key, value in terms.items()}, refresh=False)
            bar.update(step - bar.n)

        trainer.run(show)
