"""Whether a scan is of the kind that the network knows; the texts are tested with the cautions."""

from __future__ import annotations

import pytest

from bids_sr.quality.domain import strange_b_values, strange_snr, strange_voxels

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
