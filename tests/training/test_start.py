"""A training can begin with the weights of another network, and keep some of them."""

from __future__ import annotations

import pytest
import torch

from bids_sr.errors import ModelError
from bids_sr.networks.channels import BASIC, FRAME
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card
from bids_sr.networks.unet import SubPixelUNet
from bids_sr.training.start import keep_start, start_from


@pytest.fixture
def model(make_model, tmp_path):
    """Folder of a network of factor 2 that reads four channels."""
    return str(make_model(tmp_path / "given", channels=BASIC))


@pytest.fixture
def given(model):
    return load_network(find_card(model)).state_dict()


def network(channels=4, factor=2, width=4):
    torch.manual_seed(1)
    return SubPixelUNet(channels, factor, width=width, depth=1)


def test_ninefold_starts_from_fourfold_weights_but_for_the_head(model, given):
    net = network(factor=3)
    assert start_from(net, model) == ["head.weight"]
    assert torch.equal(net.state_dict()["stem.weight"], given["stem.weight"])
    assert not net.head.weight.any()


def test_further_channels_begin_without_weight(model, given):
    net = network(channels=len(BASIC) + len(FRAME))
    assert start_from(net, model) == []
    stem = net.state_dict()["stem.weight"]
    assert torch.equal(stem[:, :4], given["stem.weight"])
    assert not stem[:, 4:].any()


def test_fewer_channels_take_the_first(model, given):
    net = network(channels=1)
    assert start_from(net, model) == []
    assert torch.equal(net.state_dict()["stem.weight"], given["stem.weight"][:, :1])


def test_a_network_of_other_size_is_refused(model):
    with pytest.raises(ModelError, match="no weight in common"):
        start_from(network(channels=3, width=6), model)


def test_a_share_of_the_start_is_kept(model, given):
    net = network(channels=9)
    start_from(net, model)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    keep_start(net, model, 0.25)
    moved = net.state_dict()
    torch.testing.assert_close(moved["head.weight"], given["head.weight"] + 0.75)
    torch.testing.assert_close(moved["stem.weight"][:, :4], given["stem.weight"] + 0.75)
    torch.testing.assert_close(moved["stem.weight"][:, 4:], torch.full((4, 5, 3, 3), 0.75))
