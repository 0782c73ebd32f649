"""``bids-sr-models``: the networks at hand, at a glance and whole."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from bids_sr.app.model_tables import model_facts, model_table
from bids_sr.app.models import main
from bids_sr.networks.registry import is_default, list_models, load_card
from bids_sr.training.series_settings import SeriesSettings


def test_list_is_a_table_with_the_defaults_marked(capsys):
    assert main(["list"]) == 0
    head, *rows, empty, note = capsys.readouterr().out.splitlines()
    assert not empty and note.startswith("* used if --model is not given.")
    assert len(rows) == len(list_models())
    for row, card in zip(rows, list_models().values(), strict=True):
        place = {name: head.index(name) for name in ("factor", "size", "voxels", "b (", "licence")}
        assert row[place["factor"] :].startswith(f"x{card.factor} ")
        megabytes = card.weights.stat().st_size / 1e6
        assert row[place["size"] :].startswith(f"{megabytes:.1f} MB ")
        assert row[place["b ("] :].startswith(f"{min(card.b_values)}-{max(card.b_values)} ")
        assert row[place["licence"] :] == card.licence
        assert row.startswith(f"{card.name} *") == (load_card(None, card.factor) == card)


def test_trained_range_is_of_the_card(tmp_path):
    card = evolve(
        load_card(None, 2),
        voxel_sizes_mm=((2.04, 3.0, 1.25), (4.0, 2.5, 3.0)),
        b_values=(1000,),
        folder=tmp_path,
    )
    card.weights.write_bytes(bytes(1_260_000))
    _, row, *_ = model_table([card])
    assert row.split("  ")[0] == "shallow-x2", "another folder's is not the default"
    assert not is_default(card)
    assert "1.3 MB" in row and "2-4 in plane, 1.2-3 across" in row and "  1000  " in row
    unknown = model_table([evolve(card, voxel_sizes_mm=(), b_values=())])[1]
    assert unknown.count("not known") == 2


def test_show_is_short_and_json_is_whole(capsys):
    assert main(["show", "shallow-x2"]) == 0
    text = capsys.readouterr().out
    assert 5 < len(text.splitlines()) < 25 and max(map(len, text.splitlines())) <= 110
    card = load_card("shallow-x2", 2)
    assert card.licence in text and str(card.folder) in text and "9 people, 17 runs" in text
    assert text.endswith("bids-sr-models show shallow-x2 --json\n")
    assert main(["show", str(card.folder)]) == 0
    assert capsys.readouterr().out.endswith(f"show {card.folder} --json\n"), "finds it again"
    assert main(["show", "shallow-x2", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole == json.loads((card.folder / "card.json").read_text())
    assert main(["list", "--json"]) == 0
    assert whole in json.loads(capsys.readouterr().out)


def test_show_of_a_network_for_single_volumes(tmp_path):
    card = evolve(
        load_card(None, 2),
        name="mine",
        architecture={"class": "SubPixelUNet"},
        channels=("dwi", "mean_b0"),
        data=(),
        limitations=(),
        folder=tmp_path,
    )
    card.weights.write_bytes(b"")
    text = "\n".join(model_facts(card))
    assert "each volume in turn, with dwi, mean_b0" in text
    assert "no runs named" in text and "none stated" in text


@pytest.mark.parametrize("name", [n for n, c in list_models().items() if c.sees_series])
def test_defaults_of_training_are_those_of_the_shipped_networks(name):
    """But for steps and learning rate: those of the last stage are on the card."""
    card = list_models()[name]
    settings = SeriesSettings(factor=card.factor)
    assert settings.architecture == card.architecture
    assert (settings.loss, settings.seed) == (card.loss, card.seed)
    assert "+".join(settings.degradation) == card.degradation
    said = card.command.split()
    for option, value in (("--patch", settings.patch), ("--batch-size", settings.batch_size)):
        assert said[said.index(option) + 1] == str(value)
    others = {"--coarsening", "--noise", "--layers", "--zero-filled", "--subsets", "--schedule"}
    assert not others & set(said)
