"""A training can begin with the weights of another network."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve
from safetensors.torch import save_file

from bids_sr.errors import ModelError
from bids_sr.networks.card import WEIGHTS, checksum
from bids_sr.networks.channels import BASIC, FRAME
from bids_sr.networks.loading import build_network, load_network
from bids_sr.networks.registry import find_card, list_models
from bids_sr.networks.unet import SubPixelUNet
from bids_sr.training.initial_weights import WeightMismatch, load_initial_weights, settings_of
from bids_sr.training.series_initial_weights import load_initial_series_weights
from bids_sr.training.series_settings import SeriesSettings
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.task_setup import settings_of_start


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


@pytest.fixture
def full(make_model, tmp_path):
    """Folder of a network that reads nine channels and predicts kernels of its own."""
    folder = make_model(tmp_path / "full", channels=BASIC + FRAME, taps=3)
    card = find_card(str(folder))
    network = load_network(card)
    torch.manual_seed(3)
    torch.nn.init.normal_(network.kernels.weight, std=0.05)
    save_file({k: v.half().contiguous() for k, v in network.state_dict().items()}, folder / WEIGHTS)
    evolve(card, sha256=checksum(folder / WEIGHTS)).save(folder)
    return str(folder)


def warned(caplog):
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_ninefold_starts_from_fourfold_weights_but_for_the_head(model, given, caplog):
    net = network(factor=3)
    assert load_initial_weights(net, model, BASIC) == WeightMismatch(
        ("head.weight",), ("head.weight",)
    )
    assert torch.equal(net.state_dict()["stem.weight"], given["stem.weight"])
    assert not net.head.weight.any()
    assert warned(caplog) == [
        "Dropped of given: head.weight",
        "Fresh, since given has none: head.weight",
    ]


def test_nothing_is_said_where_all_is_taken(model, given, caplog):
    net = network()
    assert load_initial_weights(net, model, BASIC) == WeightMismatch()
    assert all(torch.equal(net.state_dict()[key], given[key]) for key in given)
    assert warned(caplog) == []


def test_further_channels_begin_without_weight(model, given, caplog):
    net = network(channels=len(BASIC) + len(FRAME))
    start = load_initial_weights(net, model, BASIC + FRAME)
    assert start == WeightMismatch((), tuple(f"channel {name}" for name in FRAME))
    stem = net.state_dict()["stem.weight"]
    assert torch.equal(stem[:, :4], given["stem.weight"])
    assert not stem[:, 4:].any()
    (line,) = warned(caplog)
    assert all(name in line for name in FRAME)


def test_fewer_channels_are_taken_and_the_others_named(model, given, caplog):
    net = network(channels=1)
    left_out = tuple(f"channel {name}" for name in BASIC[1:])
    assert load_initial_weights(net, model, BASIC[:1]) == WeightMismatch(left_out, ())
    assert torch.equal(net.state_dict()["stem.weight"], given["stem.weight"][:, :1])
    assert warned(caplog) == ["Dropped of given: " + ", ".join(left_out)]


def test_channels_go_by_name_whatever_their_order(full):
    order = ("dwi", "tensor_across", "tensor", "mean_dwi", "mean_b0", *FRAME[:4])
    net = SubPixelUNet(9, 2, width=4, depth=1, taps=3, filtered=4)
    start = load_initial_weights(net, full, order)
    assert start == WeightMismatch(
        ("kernels of channel mean_b0",), ("kernels of channel tensor_across",)
    )
    image = torch.rand(2, 9, 13, 10)
    theirs = load_network(find_card(full))
    # without the kernels that one of the two lacks, both are one function
    lost, places = BASIC.index("mean_b0") * 9, range(0, 4 * 4 * 9, 4 * 9)
    with torch.no_grad():
        for place in places:
            theirs.kernels.weight[place + lost : place + lost + 9] = 0
    mixed = image[:, [order.index(name) for name in BASIC + FRAME]]
    torch.testing.assert_close(net(image), theirs(mixed))
    assert net.kernels.weight.any()


def test_the_head_of_kernels_is_named_when_it_is_dropped(full):
    start = load_initial_weights(network(channels=4), full, BASIC)
    assert start.dropped == (*(f"channel {name}" for name in FRAME), "kernels.weight")
    assert start.fresh == ()


def test_the_rule_of_intensities_is_told(make_model, tmp_path, caplog):
    folder = make_model(tmp_path / "given")
    evolve(find_card(str(folder)), input_rule="paper").save(folder)
    load_initial_weights(network(), str(folder), BASIC)
    assert warned(caplog) == [
        "given was trained on intensities scaled by the rule 'paper'; here it is 'series'."
    ]


@pytest.mark.parametrize("name", sorted(list_models()))
def test_the_card_gives_the_network_that_takes_all_weights(name):
    card = find_card(name)
    kind = SeriesSettings if card.sees_series else TrainingSettings
    settings = kind(**settings_of_start(kind, card))
    assert settings.architecture == card.architecture
    net = build_network(settings.architecture)
    if card.sees_series:
        assert load_initial_series_weights(net, name, torch.rand(1, 21, 8, 8)) == WeightMismatch()
    else:
        assert load_initial_weights(net, name, settings.channels) == WeightMismatch()


def test_what_a_card_leaves_out_is_the_default_of_the_network(make_model, tmp_path):
    folder = make_model(tmp_path / "given", channels=BASIC[:1])
    card = find_card(str(folder))
    short = {k: v for k, v in card.architecture.items() if k not in ("blocks", "filtered")}
    evolve(card, architecture=short).save(folder)
    assert TrainingSettings(**settings_of(find_card(str(folder)))).architecture == card.architecture


def test_a_card_that_does_not_fit_its_weights(make_model, tmp_path):
    folder = make_model(tmp_path / "given")
    card = find_card(str(folder))
    evolve(card, architecture={**card.architecture, "class": "Unknown"}).save(folder)
    with pytest.raises(ModelError, match="does not fit its card"):
        settings_of(find_card(str(folder)))


def test_a_narrower_network_is_refused(model):
    with pytest.raises(ModelError, match="no weight in common"):
        load_initial_weights(network(channels=3, width=2), model, BASIC[:3])


@pytest.mark.parametrize("channels", [4, 9])
def test_a_wider_network_starts_as_its_model_and_all_of_it_learns(make_model, tmp_path, channels):
    model = str(make_model(tmp_path / "narrow", channels=BASIC, taps=3))
    wide = SubPixelUNet(channels, 2, width=7, depth=1, taps=3, filtered=4)
    start = load_initial_weights(wide, model, (BASIC + FRAME)[:channels])
    assert start.dropped == () and start.fresh[-1] == "feature maps 5 to 7"
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
