"""Export of a finished training to a model folder."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bids_sr.networks.card import ModelCard
from bids_sr.networks.registry import find_card
from bids_sr.networks.storing import save_weights
from bids_sr.training.prepare import PreparedRun
from bids_sr.training.series_data import PreparedSeries
from bids_sr.training.series_settings import SeriesSettings
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.snr import snr_range


def export_model(
    network: torch.nn.Module,
    folder: Path,
    *,
    settings: TrainingSettings | SeriesSettings,
    runs: Sequence[PreparedRun] | Sequence[PreparedSeries],
    credit: Sequence[str],
    licence: str,
    command: str,
    commit: str,
    figures: dict[str, Any],
    start: str = "",
) -> ModelCard:
    """Write the weights and the card of a network.

    Weights are stored as float16: this halves the size and changes the output by less than a
    thousandth of the intensity scale.

    Parameters
    ----------
    network : torch.nn.Module
        The trained network (the running mean of its weights).
    folder : pathlib.Path
        Model folder; its name becomes the model's.
    settings : TrainingSettings or SeriesSettings
        Settings of the training.
    runs : sequence of PreparedRun or PreparedSeries
        Training runs.
    credit : sequence of str
        Credits for the training data and the feature network.
    licence : str
        Licence of the weights.
    command, commit : str
        Training command and code commit, for provenance.
    figures : dict
        Measured metrics.
    start : str
        Initial model (name or folder), if any: its training data, credits and commands are
        included in this card.

    Returns
    -------
    ModelCard
        The card as written.
    """
    before = find_card(start) if start else None
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.half().contiguous().cpu() for key, value in network.state_dict().items()}
    digest = save_weights(state, folder)
    card = ModelCard(
        name=folder.name,
        factor=settings.factor,
        degradation="+".join(settings.degradation),
        channels=settings.channels,
        architecture=settings.architecture,
        sha256=digest,
        voxel_sizes_mm=list(dict.fromkeys(run.lr_zooms for run in runs)),
        b_values=sorted({b for run in runs for b in run.b_values}),
        data=[
            *dict.fromkeys(
                [*(run.label for run in runs), *credit, *(before.data if before else ())]
            )
        ],
        licence=licence,
        seed=settings.seed,
        command=command,
        earlier_commands=[*before.earlier_commands, before.command] if before else (),
        commit=commit,
        loss=settings.loss,
        figures=figures,
        snr_b0=snr_range(runs),
        folder=folder,
    )
    card.save(folder)
    return card


def code_commit() -> str:
    """Return the commit of the installed code, or 'unknown' outside a git checkout."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
