from __future__ import annotations

import pytest

from bids_sr.bids.finding import find_dwi
from bids_sr.networks.registry import load_card
from bids_sr.workflow.plan import RunOptions, make_plan


@pytest.fixture
def make_plans(make_dataset, tiny_model, tmp_path):
    """A function that plans the runs of a tiny dataset; options can be changed."""

    def make(*labels, directions=16, **options):
        dataset = tmp_path / "raw"
        if not dataset.exists():
            make_dataset(*labels, directions=directions)
        chosen = RunOptions(card=load_card(str(tiny_model), 2), **options)
        return [make_plan(files, tmp_path / "out", chosen) for files in find_dwi(dataset)]

    return make


@pytest.fixture
def plan(make_plans):
    """The plan of one tiny run."""
    return make_plans("01")[0]
