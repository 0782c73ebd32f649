"""Whether a scan is of the kind that the network knows; the texts are tested with the cautions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_sr.quality.domain import is_finer, strange_b_values, strange_snr, strange_voxels

ROOT = Path(__file__).parents[2]
CARD = {"voxel_sizes_mm": [[2.0, 2.0, 3.0]], "b_values": [1000], "snr_b0": [10, 30]}


def test_what_the_network_knows_is_not_strange():
    known = {"input_zooms_mm": "2.00x2.00x3.00", "slice_axis": 2, "shells": "1000", "snr_b0": 30}
    for check in (strange_voxels, strange_b_values, strange_snr):
        assert check(known, CARD) == ""
        assert check({}, CARD) == "", "nothing is said of what is not known"


@pytest.mark.parametrize("snr", [5, 31.0])
def test_noise_unlike_that_of_the_training(snr):
    assert "10.0 to 30.0" in strange_snr({"snr_b0": snr}, CARD)


@pytest.mark.parametrize("trained", [None, [], [10], ["a", "b"], 7])
def test_a_card_that_does_not_tell_the_noise(trained):
    assert strange_snr({"snr_b0": 5}, {"snr_b0": trained}) == ""


PRICE = {"from_mm": 3.5, "to_mm": 2.4, "b0": 0.035, "mean": 0.107, "l2": None}


@pytest.mark.parametrize(
    ("voxel", "axis", "finer"),
    [
        ("1.00x1.00x3.00", 2, True),
        ("2.00x2.00x1.00", 2, True),
        ("3.00x1.50x2.00", 0, True),
        ("1.95x1.95x3.00", 2, False),
        ("1.00x1.00x9.00", 2, False),
        ("4.00x1.00x3.00", 2, False),
        ("n/a", 2, False),
    ],
)
def test_only_what_is_finer_throughout_is_usual(voxel, axis, finer):
    scan = {"input_zooms_mm": voxel, "slice_axis": axis}
    assert is_finer(scan, CARD) == finer
    assert ("as in most scans" in strange_voxels(scan, CARD)) == finer


def test_what_going_beyond_the_training_costs_is_told():
    scan = {"input_zooms_mm": "1.00x1.00x1.00", "slice_axis": 2}
    told = strange_voxels(scan, CARD | {"extrapolation": PRICE})
    assert "2.00 mm and coarser" in told and "slices of 3.00 mm and thicker" in told
    assert (
        "0.04 more of the b0 detail and 0.11 more of the detail of the mean remained unexplained"
        in told
    )
    for nothing in (None, 3, {}, {"b0": "x"}):
        assert "was not measured" in strange_voxels(scan, CARD | {"extrapolation": nothing})


@pytest.mark.parametrize("name", ["shallow-x2", "shallow-x3"])
def test_shipped_networks_tell_the_price_that_the_method_page_measured(name):
    """By the rows "as described" and "finer than 3 mm left out" of "What was tried"."""
    table = (ROOT / "docs" / "method.md").read_text().splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[3:-1] for line in table if "|" in line}
    usual, finest = rows["as described"], rows["finer than 3 mm left out"]
    b0, mean = (round(float(finest[i]) - float(usual[i]), 3) for i in (3, 4))
    told = json.loads((ROOT / "models" / name / "card.json").read_text())["extrapolation"]
    assert (told["b0"], told["mean"], told["l2"]) == (b0, mean, None)
