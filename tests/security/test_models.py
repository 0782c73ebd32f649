"""A model folder is data: nothing in it runs, and only safetensors that match the card are read."""

from __future__ import annotations

import json
import pickle

import pytest
import torch

from bids_sr.errors import ModelError
from bids_sr.networks.card import checksum
from bids_sr.networks.importing import read_state
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card


def change_card(folder, **changes):
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_trap_works(trap):
    pickle.loads(pickle.dumps(trap))
    assert trap.canary.exists()


@pytest.mark.parametrize("name", ["weights.pth", "weights.pkl", "weights.pt", "model.ckpt"])
def test_other_kinds_of_weights_are_not_looked_at(tiny_model, trap, name):
    (tiny_model / "weights.safetensors").unlink()
    torch.save(trap, tiny_model / name)
    with pytest.raises(ModelError, match=r"no weights\.safetensors"):
        find_card(str(tiny_model))
    assert not trap.canary.exists()


@pytest.mark.parametrize(
    "save", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))]
)
def test_a_pickle_under_the_name_of_safetensors(tiny_model, trap, save):
    weights = tiny_model / "weights.safetensors"
    save(trap, weights)
    with pytest.raises(ModelError, match="checksum"):
        find_card(str(tiny_model))
    change_card(tiny_model, sha256=checksum(weights))  # by someone who may write both
    with pytest.raises(ModelError, match="does not fit its card"):
        load_network(find_card(str(tiny_model)))
    assert not trap.canary.exists()


@pytest.mark.parametrize(
    "save", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))]
)
def test_a_published_file_that_would_run_something_is_not_imported(tmp_path, trap, save):
    path = tmp_path / "SR_R18_2x.pth"
    for content in (trap, {"model": trap}, {"model": {"weight": torch.zeros(1)}, "opt": trap}):
        save(content, path)
        with pytest.raises(ModelError, match="cannot be read as PyTorch weights"):
            read_state(path)
    assert not trap.canary.exists()


@pytest.mark.parametrize("name", ["os.system", "torch.hub.load", "../unet", "__class__"])
def test_a_card_names_only_the_networks_there_are(tiny_model, name):
    card = json.loads((tiny_model / "card.json").read_text())
    change_card(tiny_model, architecture=card["architecture"] | {"class": name})
    with pytest.raises(ModelError):
        load_network(find_card(str(tiny_model)))


@pytest.mark.parametrize("name", ["..", "../..", "../models/../..", "/", "/etc"])
def test_a_model_that_is_a_path_is_only_a_model_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError):
        find_card(name)
