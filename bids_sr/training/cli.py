"""The command ``bids-sr-train``."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_sr.diffusion.defaults import REFUSE, TRAINING_CHECKS
from bids_sr.door import enter
from bids_sr.errors import UsageError

if TYPE_CHECKING:
    from bids_sr.bids.dwi_run import DwiFiles, DwiRun
    from bids_sr.training.prepare import PreparedRun
    from bids_sr.training.settings import TrainingSettings
    from bids_sr.training.trainer import Trainer


_LOG = logging.getLogger("bids_sr")
_TAPS = (0, 1, 3, 5, 7, 9)


class _Several(argparse.Action):
    """A list that adds up if the option is given several times; its default does not count."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the values of one occurrence."""
        before = getattr(namespace, self.dest, self.default)
        given = [] if before is self.default else before or []
        setattr(namespace, self.dest, [*given, *values])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; importing nothing heavy keeps ``--help`` quick."""
    parser = argparse.ArgumentParser(
        prog="bids-sr-train",
        description="Train a super-resolution network on the DWI runs of a BIDS dataset."
        " Run it again with the same arguments to go on after an interruption.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("bids_dir", type=Path, help="BIDS dataset, or HCP folder, with high-resolution DWI")
    add("output_dir", type=Path, help="takes checkpoint, logs and the model folder")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--train-label",
        nargs="+",
        action=_Several,
        required=True,
        help="participants to learn from",
    )
    data.add_argument(
        "--validate-label", nargs="+", action=_Several, default=[], help="participants held out"
    )
    data.add_argument(
        "--gradient-check",
        default=REFUSE,
        choices=TRAINING_CHECKS,
        help="what is done about a scan whose gradient table does not fit its image: it is"
        " refused; it is used, with a warning; it is used with a corrected table; nobody looks",
    )
    data.add_argument("--cache", type=Path, help="prepared slices (default: OUTPUT_DIR/cache)")
    data.add_argument(
        "--degradation",
        nargs="+",
        action=_Several,
        default=["kspace"],
        choices=["kspace", "kspace-tukey", "box", "resize-cubic"],
        help="how low-resolution slices are made; several: each scan in all these ways",
    )
    data.add_argument(
        "--means",
        action="store_true",
        help="learn from each scan's mean b0 and mean of each shell, too",
    )
    data.add_argument(
        "--coarsening",
        nargs="+",
        action=_Several,
        type=float,
        default=[1.0],
        help="in-plane voxel sizes to train on, relative to each scan's own",
    )
    data.add_argument(
        "--zero-filled",
        type=float,
        default=0.0,
        help="share of patches whose input is cut to 60-95 %% of its band, as scanners that"
        " interpolate do",
    )
    data.add_argument(
        "--target",
        default="scan",
        choices=["scan", "denoised", "tensor"],
        help="what the network is to give: the scan, the scan denoised by MP-PCA, or what a"
        " tensor fit to the scan predicts",
    )
    data.add_argument(
        "--planes",
        default="own",
        choices=["own", "all"],
        help="learn from the acquired slices, or from those along all three axes where voxels"
        " have equal sides",
    )
    data.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="largest level of Rician noise added to the input, of the b0's bright tissue",
    )
    data.add_argument("--b0-share", type=float, default=0.15, help="share of patches of b0s")
    data.add_argument("--subset", type=int, default=15, help="directions per smaller view")
    _add_network(parser.add_argument_group("network", "default: as the model of --init-from"))
    loss = parser.add_argument_group("loss")
    loss.add_argument(
        "--layers",
        nargs="*",
        action=_Several,
        default=["relu1_2=0.1"],
        metavar="LAYER=WEIGHT",
        help="VGG16 layers of the feature loss; none for L1 alone",
    )
    loss.add_argument(
        "--directions", type=int, default=1, help="directions of each place in a batch"
    )
    loss.add_argument(
        "--directional",
        type=float,
        default=0.0,
        help="weight of the difference between directions of one place",
    )
    loss.add_argument(
        "--feature-network",
        default="vgg16",
        choices=["vgg16", "vgg16_bn"],
        help="network of the feature loss; vgg16_bn is the article's",
    )
    loss.add_argument(
        "--vgg16", type=Path, help="its weights as safetensors, in place of a download"
    )
    loss.add_argument("--feature-crop", type=int, default=48, help="pixels compared by features")
    how = parser.add_argument_group("optimisation")
    how.add_argument(
        "--init-from",
        default="",
        metavar="MODEL",
        help="start from the weights of this model (name or folder), of any factor",
    )
    how.add_argument(
        "--keep-start",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="average the result with so much of the weights of --init-from",
    )
    how.add_argument("--steps", type=int, default=8000, help=" ")
    how.add_argument("--batch-size", type=int, default=16, help="patches per step")
    how.add_argument("--patch", type=int, default=40, help="low-resolution patch side, pixels")
    how.add_argument("--learning-rate", type=float, default=8e-4, help=" ")
    how.add_argument("--schedule", default="cosine", choices=["cosine", "one-cycle"], help=" ")
    how.add_argument("--weight-decay", type=float, default=1e-4, help=" ")
    how.add_argument("--ema", type=float, default=0.998, help="decay of the mean of weights")
    how.add_argument("--seed", type=int, default=42, help=" ")
    how.add_argument("--validate-every", type=int, default=500, help="steps")
    how.add_argument("--checkpoint-every", type=int, default=250, help="steps")
    how.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N")
    card = parser.add_argument_group("model card")
    card.add_argument("--name", help="name of the model folder (default: trained-x<scale>)")
    card.add_argument("--licence", default="not stated", help="licence of the weights")
    card.add_argument(
        "--credit", nargs="*", action=_Several, default=[], help="whom to credit, one text each"
    )
    return parser


def _add_network(group: argparse._ArgumentGroup) -> None:
    """Add what a model to start from decides, unless it is said: absent if it is not."""

    def add(name: str, words: str, otherwise: str, **how: Any) -> None:
        words += f" (without --init-from: {otherwise})"
        group.add_argument(name, default=argparse.SUPPRESS, help=words, **how)

    add("--scale", "in-plane factor", "2", type=int, choices=[2, 3])
    add("--channels", "what it reads", "dwi mean_b0 mean_dwi tensor", nargs="+", action=_Several)
    add("--width", "feature maps at full resolution", "40", type=_counted(1))
    add("--depth", "number of halvings", "3", type=_counted(1))
    add("--blocks", "residual blocks per level", "1", type=_counted(1))
    add("--taps", "side of predicted kernels; 0 for none", "0", type=int, choices=_TAPS)


def _counted(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise ValueError(text)
        return value

    return number


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
    given = sys.argv[1:] if argv is None else list(argv)

    def work() -> int:
        arguments = build_parser().parse_args(given)
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
        )
        _train(arguments, given)
        return 0

    return enter("bids-sr-train", work, given)


def _train(arguments: argparse.Namespace, argv: list[str]) -> None:
    # torch and friends only now, after the arguments were found to be right
    from bids_sr.superres.device import choose_device
    from bids_sr.training.export import code_commit, export_model
    from bids_sr.training.start import keep_start
    from bids_sr.training.trainer import Trainer

    # a wrong name ends it here, not after the scans were prepared
    device = str(choose_device(arguments.device))
    settings, commit = _settings(arguments), code_commit()
    to_learn, to_score = _find(arguments)
    runs, validation = (_open(arguments, found) for found in (to_learn, to_score))
    train = [
        run
        for coarsening in settings.coarsening
        for degradation in settings.degradation
        for means in ((False, True) if settings.means else (False,))
        for run in _prepare(
            arguments,
            settings,
            runs,
            other_planes=settings.planes == "all",
            coarsening=coarsening,
            degradation=degradation,
            means=means,
        )
    ]
    held_out = _prepare(arguments, settings, validation)
    _warn_of_start(settings.init_from, to_score)
    trainer = Trainer(settings, train, held_out, arguments.output_dir, arguments.vgg16, device)
    _run_with_bar(trainer)
    if arguments.keep_start and settings.init_from:
        keep_start(
            trainer.mean_network, settings.init_from, settings.channels, arguments.keep_start
        )
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

    if arguments.keep_start and not arguments.init_from:
        raise UsageError(
            "--keep-start averages with the start, and there is none.",
            remedy="Give --init-from MODEL as well.",
        )
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


def _open(arguments: argparse.Namespace, found: list[DwiFiles]) -> list[DwiRun]:
    """Open runs and check their gradient tables, once for all uses."""
    from bids_sr.bids.dwi_run import open_run, tell_doubts
    from bids_sr.diffusion.gradient_check import checked_run

    runs = []
    for files in found:
        run = open_run(files)
        tell_doubts(run)
        runs.append(checked_run(run, arguments.gradient_check).run)
    return runs


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
    *,
    other_planes: bool = False,
    **how: Any,
) -> list[PreparedRun]:
    from bids_sr.networks.angular import HARMONICS
    from bids_sr.training import prepare

    cache = arguments.cache or arguments.output_dir / "cache"
    recipe = prepare.Recipe(
        factor=settings.factor,
        subset=settings.subset,
        seed=settings.seed,
        target=settings.target,
        harmonics=HARMONICS in settings.channels,
        **{"degradation": settings.degradation[0], **how},
    )
    prepared = []
    for run in runs:
        ready = prepare.prepare_run(run, cache, recipe)
        if recipe.coarsening > 1 and min(ready.lr.shape[2:]) < settings.patch:
            _LOG.info("%s: too small to be made %g times coarser.", ready.label, recipe.coarsening)
            continue
        prepared.append(ready)
        if other_planes:
            prepared += prepare.other_planes(run, cache, recipe, settings.patch)
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
