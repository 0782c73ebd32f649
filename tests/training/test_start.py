"""A training can begin with the weights of another network."""

import pytest
import torch

from bids_sr.errors import ModelError
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import load_card
from bids_sr.networks.unet import SubPixelUNet
from bids_sr.training.start import keep_start, start_from


def test_ninefold_starts_from_fourfold_weights_but_for_the_head():
    network = SubPixelUNet(in_channels=4, factor=3, width=40, depth=3)
    left = start_from(network, "shallow-x2")
    given = load_network(load_card(None, 2)).state_dict()
    assert "head.weight" in left
    assert torch.equal(network.state_dict()["stem.weight"], given["stem.weight"])
    assert not network.head.weight.any()


def test_further_channels_begin_without_weight():
    network = SubPixelUNet(in_channels=9, factor=2, width=40, depth=3)
    start_from(network, "shallow-x2")
    stem = network.state_dict()["stem.weight"]
    given = load_network(load_card(None, 2)).state_dict()["stem.weight"]
    assert torch.equal(stem[:, : given.shape[1]], given)
    assert not stem[:, given.shape[1] :].any()


def test_a_network_of_other_size_is_refused():
    network = SubPixelUNet(in_channels=3, factor=2, width=6, depth=1)
    with pytest.raises(ModelError, match="no weight in common"):
        start_from(network, "shallow-x2")


def test_a_share_of_the_start_is_kept():
    network = SubPixelUNet(in_channels=9, factor=2, width=40, depth=3)
    start_from(network, "shallow-x2")
    start = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    keep_start(network, "shallow-x2", 0.25)
    moved = network.state_dict()
    torch.testing.assert_close(moved["head.weight"], start["head.weight"] + 0.75)
    torch.testing.assert_close(moved["stem.weight"], start["stem.weight"] + 0.75)
