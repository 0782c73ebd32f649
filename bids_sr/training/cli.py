"""The command ``bids-sr-train``."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bids_sr.entry_point import run_logged_command
from bids_sr.errors import UsageError
from bids_sr.training.parser import KINDS, SERIES, build_parser, refused, settings_given

if TYPE_CHECKING:
    import torch

    from bids_sr.bids.dwi_run import DwiFiles
    from bids_sr.training.task_setup import Settings
    from bids_sr.training.trainer import Trainer


_LOG = logging.getLogger("bids_sr")


def main(argv: Sequence[str] | None = None) -> int:
    """Train a network and export its model folder.

    Parameters
    ----------
    argv : sequence of str, optional
        Command-line arguments; default: ``sys.argv``.

    Returns
    -------
    int
        Exit code: 0 done, 1 bad input, 2 wrong usage; see also `bids_sr.entry_point.run_command`.
    """
    return run_logged_command("bids-sr-train", build_parser, _train, argv)


def _train(arguments: argparse.Namespace, argv: list[str]) -> None:
    # torch is imported only once the arguments have been checked
    from bids_sr.superres.device import choose_device
    from bids_sr.training.checked_runs import open_checked
    from bids_sr.training.export import code_commit, export_model
    from bids_sr.training.task_setup import make_task
    from bids_sr.training.trainer import CHECKPOINT, Trainer

    # fail on a wrong name now, not after the scans have been prepared
    device = choose_device(arguments.device)
    settings, commit = _settings(arguments, device), code_commit()
    to_learn, to_score = _find(arguments)
    learn, held_out = (
        [open_checked(files, arguments.gradient_check) for files in found]
        for found in (to_learn, to_score)
    )
    out = arguments.output_dir
    cache, fresh = arguments.cache or out / "cache", not (out / CHECKPOINT).exists()
    task, train = make_task(
        settings, learn, held_out, cache, arguments.vgg16, device, fresh=fresh
    )  # fmt: skip
    _warn_of_start(settings.init_from, to_score)
    trainer = Trainer(task, out, device)
    _run_with_bar(trainer)
    card = export_model(
        trainer.mean_network,
        out / (arguments.name or f"trained-x{settings.factor}"),
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


def _settings(arguments: argparse.Namespace, device: torch.device) -> Settings:
    from bids_sr.networks.registry import find_card
    from bids_sr.training.task_setup import choose_precision, settings_of_start

    said = settings_given(arguments)
    if vain := refused(arguments.kind, said):
        raise UsageError(
            f"A training of --kind {arguments.kind} has no {' and no '.join(vain)}.",
            remedy="Leave that out, or give the other --kind.",
        )
    kind, model = KINDS[arguments.kind], arguments.init_from
    if "layers" in said:
        said["layers"] = dict(_layer(text) for text in said["layers"])
    given = settings_of_start(kind, find_card(model)) if model else {}
    given |= {**said, "init_from": model}
    _check_heeded(given, said, model)
    if arguments.kind == SERIES:
        given["precision"] = choose_precision(said.get("precision", "auto"), device)
    try:
        return kind(**given)
    except ValueError as error:
        raise UsageError(f"{error}.", remedy="Correct --channels.") from error


def _check_heeded(given: dict[str, Any], said: dict[str, Any], model: str) -> None:
    """Refuse options that the initial network does not support."""
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
    """Find the training runs and the held-out runs, which are of other participants."""
    from bids_sr.bids.training_runs import find_training_runs
    from bids_sr.training.held_out import refuse_shared_labels, refuse_shared_scans

    labels = arguments.train_label, arguments.validate_label
    refuse_shared_labels(*labels)
    train, held_out = (
        find_training_runs(arguments.bids_dir, names) if names else [] for names in labels
    )
    refuse_shared_scans(train, held_out)
    return train, held_out


def _warn_of_start(model: str, held_out: list[DwiFiles]) -> None:
    """Warn if a held-out participant may be in the training data of the initial model."""
    from bids_sr.networks.registry import find_card
    from bids_sr.networks.training_data import seen_in_training

    if not model:
        return
    card = find_card(model)
    for participant in dict.fromkeys(files.subject for files in held_out):
        if told := seen_in_training(card, participant):
            _LOG.warning("Validation: %s", told)


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
