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


def test_a_narrower_network_is_refused(model):
    with pytest.raises(ModelError, match="no weight in common"):
        start_from(network(channels=3, width=2), model)


@pytest.mark.parametrize("channels", [4, 9])
def test_a_wider_network_starts_as_its_model_and_all_of_it_learns(make_model, tmp_path, channels):
    model = str(make_model(tmp_path / "narrow", channels=BASIC, taps=3))
    wide = SubPixelUNet(channels, 2, width=7, depth=1, taps=3, filtered=4)
    assert start_from(wide, model) == []
    image = torch.rand(2, channels, 13, 10)
    torch.testing.assert_close(wide(image), load_network(find_card(model))(image[:, :4]))
    optimiser = torch.optim.SGD(wide.parameters(), lr=1e-2)
    for _ in range(2):  # the first step wakes what reads the new maps, the second these
        optimiser.zero_grad()
        wide(image).square().mean().backward()
        optimiser.step()
    for name, parameter in wide.named_parameters():
        assert (parameter.grad != 0).flatten(1).any(1).all(), name
        assert (parameter.grad != 0).transpose(0, 1).flatten(1).any(1).all(), name


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
