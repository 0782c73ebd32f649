"""Cards and weights: found, verified, refused with one clear error."""

from __future__ import annotations

import json

import pytest
import torch
from attrs import evolve

from bids_sr.errors import ModelError
from bids_sr.networks.card import read_card
from bids_sr.networks.loading import build_network, load_network
from bids_sr.networks.registry import list_models, load_card
from bids_sr.training.settings import TrainingSettings

SETTINGS = TrainingSettings(width=4, depth=1)


@pytest.fixture
def folder(tiny_model):
    return tiny_model


def edit(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    card.update(changes)
    (folder / "card.json").write_text(json.dumps(card))


def test_round_trip(folder):
    card = load_card(str(folder), 2)
    assert (card.name, card.factor, card.channels[0]) == ("tiny", 2, "dwi")
    assert card.loss == "L1 + 0.1 x VGG16 relu1_2 (L1 / rms)"
    torch.manual_seed(0)
    original = build_network(SETTINGS.architecture).eval()
    torch.nn.init.normal_(original.head.weight, std=0.05)
    channels = torch.rand(1, 4, 16, 16)
    with torch.inference_mode():
        # weights are stored as float16: less than a thousandth of the scale
        difference = (load_network(card)(channels) - original(channels)).abs().max()
    assert 0 < float(difference) < 1e-3


def test_others_may_read_the_weights_as_they_may_the_card(folder):
    modes = {path.name: path.stat().st_mode for path in folder.iterdir()}
    assert modes["weights.safetensors"] == modes["card.json"]


def test_registry_lists_what_is_in_the_folder(folder):
    assert list(list_models(folder.parent)) == ["tiny"]


def test_shipped_models_verify():
    shipped = list_models()
    assert {"shallow-x2", "shallow-x3"} <= shipped.keys()
    for name, card in shipped.items():
        assert card.name == name
        assert load_card(name, card.factor).licence


def test_unknown_name_lists_what_there_is():
    with pytest.raises(ModelError, match=r"no network 'deep-x9'.*shallow-x2"):
        load_card("deep-x9", 2)


def test_wrong_factor(folder):
    with pytest.raises(ModelError, match="factor 2, not 3"):
        load_card(str(folder), 3)


def test_damaged_weights(folder):
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="checksum") as caught:
        load_card(str(folder), 2)
    assert caught.value.exit_code == 2
    assert str(weights) in str(caught.value)


def test_missing_weights(folder):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no weights\.safetensors"):
        load_card(str(folder), 2)


@pytest.mark.parametrize("changes", [{"factor": 5}, {"channels": ["b0"]}, {"surprise": 1}])
def test_card_that_is_no_card(folder, changes):
    edit(folder, **changes)
    with pytest.raises(ModelError, match="not a model card"):
        read_card(folder)


def test_card_of_another_network(folder):
    edit(folder, architecture={**SETTINGS.architecture, "width": 16})
    with pytest.raises(ModelError, match="does not fit its card"):
        load_network(load_card(str(folder), 2))


def test_a_card_may_tell_the_noise_it_was_trained_with(tiny_model, tmp_path):
    card = read_card(tiny_model)
    assert "snr_b0" not in card.to_dict()
    evolve(card, snr_b0=(8.0, 40.0)).save(tiny_model)
    assert tuple(read_card(tiny_model).snr_b0) == (8.0, 40.0)


def test_a_card_may_tell_what_is_wrong_with_it(tiny_model):
    card = read_card(tiny_model)
    assert "limitations" not in card.to_dict()
    evolve(card, limitations=["Learned a flipped table."]).save(tiny_model)
    assert read_card(tiny_model).limitations == ("Learned a flipped table.",)
