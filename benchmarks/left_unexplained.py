"""What networks for the series leave unexplained of a run, as in a training's validation.csv.

    python benchmarks/left_unexplained.py DATASET --participant-label sherbrooke01 \
        --run sub-sherbrooke01_acq-1p2mm --model OUT/trained-x2 [MODEL ...]

A training scores people that it does not learn from; this scores any run: every sixth slice of
it, all tissue, ensemble of one, by `bids_sr.training.series_validation`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from bids_sr.evaluation.degraded_scan import choose_run
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card
from bids_sr.training.series_data import PreparedSeries, SeriesRecipe, prepare_series
from bids_sr.training.series_validation import validate_series


def main() -> None:
    """Print one row per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--participant-label", required=True)
    parser.add_argument("--run")
    parser.add_argument("--model", nargs="+", required=True)
    given = parser.parse_args()
    run = choose_run(given.dataset, given.participant_label, given.run)
    prepared: dict[int, PreparedSeries] = {}
    print("| network | b0 | mean | l = 2 |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for model in given.model:
            card = find_card(model)
            if not card.sees_series:
                parser.error(f"{model} is no network for the series")
            if card.factor not in prepared:
                recipe = SeriesRecipe(factor=card.factor, volumes=True)
                prepared[card.factor] = prepare_series(run, Path(name), recipe)
            left = validate_series(
                prepared[card.factor], load_network(card), torch.device("cpu")
            ).values()
            shares = " | ".join("n/a" if share is None else f"{share:.3f}" for share in left)
            print(f"| {model} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
