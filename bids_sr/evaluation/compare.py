"""All methods on one trial: interpolations, the oracle, and the network."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from bids_sr.evaluation.budget import error_budget
from bids_sr.evaluation.goals import ORACLE, Row
from bids_sr.evaluation.scores import fidelity, fit_maps, map_errors
from bids_sr.evaluation.trial import Trial, interpolated, oracle
from bids_sr.networks.card import ModelCard
from bids_sr.quality.interpolation import METHODS
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE
from bids_sr.superres.engine import super_resolve

_LOG = logging.getLogger("bids_sr")


def compare(
    trial: Trial,
    card: ModelCard,
    folder: Path,
    *,
    device: str = "auto",
    threads: int = 1,
    ensemble: int = DEFAULT_ENSEMBLE,
    detect_band: bool = True,
    budget: bool = False,
) -> Iterator[Row]:
    """Score every method on a trial, one after the other.

    Parameters
    ----------
    trial : Trial
        The scan.
    card : ModelCard
        The network, scored with and without data consistency.
    folder : pathlib.Path
        For results, which are removed once they are scored.
    device, threads, ensemble, detect_band
        As `bids_sr.superres.engine.super_resolve` takes them.
    budget : bool
        Whether to split the error of the weighted volumes as well
        (`bids_sr.evaluation.budget`).

    Yields
    ------
    dict of str to float or str
        ``method``, ``seconds``, and the scores by name; the network as the app
        runs it comes last.
    """
    reference, ideal = fit_maps(trial, trial.truth, threads), folder / "oracle.nii.gz"
    oracle(trial, ideal)
    for number, method in enumerate((*METHODS, ORACLE, f"{card.name}, no consistency", card.name)):
        _LOG.info("%s ...", method)
        out, started = folder / f"method{number}.nii.gz", time.monotonic()
        if method in METHODS:
            interpolated(trial, method, out)
        elif method == ORACLE:
            out = ideal
        else:
            super_resolve(
                trial.lr, card, out, device=device, threads=threads,
                data_consistency=method == card.name, ensemble=ensemble, detect_band=detect_band,
                slice_axis=trial.grid.slice_axis,
            )  # fmt: skip
        row: Row = {"method": method, "seconds": time.monotonic() - started}
        maps = fit_maps(trial, out, threads)
        row |= {**fidelity(trial, out), **map_errors(trial, reference, maps)}
        if budget:
            row |= error_budget(trial, out, ideal).to_row()
        yield row
        for path in maps.values():
            path.unlink()
        if out != ideal:  # the budget of the others needs that one
            out.unlink()
