"""A network's cost by the shapes of its weights is what torch counts when it runs."""

from __future__ import annotations

import attrs
import pytest

from bids_sr.errors import ModelError
from bids_sr.networks import cost
from bids_sr.networks.cost import multiply_adds
from bids_sr.networks.registry import list_models, load_card


@pytest.mark.parametrize("name", sorted(list_models()))
def test_shipped_networks(name):
    card = list_models()[name]
    assert multiply_adds(card) == pytest.approx(cost._counted(card), rel=0.01)


def test_another_width_and_depth(make_model, tmp_path):
    card = load_card(str(make_model(tmp_path / "tiny")), 2)
    assert multiply_adds(card) == pytest.approx(cost._counted(card), rel=0.01)


def test_a_network_for_the_series(tiny_series_model):
    card = load_card(str(tiny_series_model), 2)
    # torch does not count what the predicted kernels are multiplied with: 2 x 2 images by 3 x 3
    # taps, and 5 images with one kernel each sub-pixel
    applied = 4 * 9 * (2 * 2 + 5)
    assert multiply_adds(card) == pytest.approx(cost._counted(card) + applied, rel=1e-9)


def test_a_network_of_another_class_is_run(tiny_model, monkeypatch):
    card = load_card(str(tiny_model), 2)
    monkeypatch.setattr(cost, "_SHALLOW", "something else")
    assert multiply_adds(card) == cost._counted(card)


def test_damaged_weights_are_told(tiny_model):
    card = load_card(str(tiny_model), 2)
    card.weights.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        multiply_adds(attrs.evolve(card))
