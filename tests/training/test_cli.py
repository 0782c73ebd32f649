"""bids-sr-train --kind volume from the command line: dataset in, model folder out."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from attrs import evolve
from safetensors.torch import save_file

from bids_sr.networks.card import WEIGHTS, checksum
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import load_card
from bids_sr.training.cli import main
from bids_sr.training.parser import build_parser


@pytest.fixture
def dataset(tmp_path, make_run):
    folder = tmp_path / "data" / "sub-01" / "dwi"
    folder.mkdir(parents=True)
    make_run(folder)
    for path in list(folder.iterdir()):
        other = tmp_path / "data" / "sub-02" / "dwi" / path.name.replace("sub-01", "sub-02")
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(path.read_bytes())
    make_run(folder, seed=1)
    description = {"Name": "tiny", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (tmp_path / "data" / "dataset_description.json").write_text(json.dumps(description))
    return tmp_path / "data"


def test_trains_and_exports(dataset, tmp_path):
    arguments = [
        str(dataset), str(tmp_path / "out"), "--train-label", "01", "--validate-label", "02",
        "--steps", "4", "--patch", "8", "--batch-size", "2", "--width", "8", "--depth", "1",
        "--layers", "--kind", "volume", "--ema", "0.9", "--name", "mine",
        "--licence", "CC0", "--credit", "somebody",
    ]  # fmt: skip
    assert main(arguments) == 0
    card = load_card(str(tmp_path / "out" / "mine"), 2)
    assert card.licence == "CC0"
    assert card.voxel_sizes_mm == ((4.0, 4.0, 3.0),)
    assert card.b_values == (1000,)
    assert "somebody" in card.data
    assert {row["method"] for row in card.figures["validation"]} >= {"sinc", "network"}
    assert card.command.startswith("bids-sr-train ")
    assert load_network(card)(torch.rand(1, 4, 8, 8)).shape == (1, 1, 16, 16)


def test_unknown_label_is_wrong_usage(dataset, tmp_path, capsys):
    assert main([str(dataset), str(tmp_path / "out"), "--train-label", "99"]) == 2
    assert "99" in capsys.readouterr().err


def test_layer_without_weight(dataset, tmp_path, capsys):
    arguments = [str(dataset), str(tmp_path / "out"), "--train-label", "01", "--layers", "relu1_2"]
    assert main(arguments) == 2
    assert "relu1_2=0.1" in capsys.readouterr().err


def test_trains_on_hcp_folders(make_hcp, tmp_path):
    arguments = [
        str(make_hcp("100610", "102311")), str(tmp_path / "out"), "--train-label", "100610",
        "--validate-label", "102311", "--steps", "2", "--patch", "8", "--batch-size", "2",
        "--width", "8", "--depth", "1", "--layers", "--name", "hcp", "--kind", "volume",
    ]  # fmt: skip
    assert main(arguments) == 0
    card = load_card(str(tmp_path / "out" / "hcp"), 2)
    assert [round(b, -2) for b in card.b_values] == [1000, 2000]
    assert card.data[0] == "sub-100610"
    assert {row["run"] for row in card.figures["validation"]} == {"sub-102311"}


def test_a_folder_of_neither_kind(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path / "out"), "--train-label", "01"]) == 2
    assert "HCP" in capsys.readouterr().err


def test_lists_given_in_parts_add_up_and_defaults_do_not_count():
    words = ["data", "out", "--train-label", "1", "--train-label", "2", "3", "--layers", "--layers"]
    found = build_parser().parse_args([*words, "relu1_2=1", "--credit", "a", "--credit", "b", "c"])
    assert found.train_label == ["1", "2", "3"] and not found.validate_label
    assert (found.layers, found.credit) == (["relu1_2=1"], ["a", "b", "c"])


@pytest.fixture
def flipped(fibres, tmp_path):
    """A dataset whose table has y the wrong way round."""
    folder = tmp_path / "data" / "sub-01" / "dwi"
    bvecs = fibres.directions(20) * [1, -1, 1]
    fibres.write_scan(folder, size=72.0, head=True, bvecs=bvecs)
    (folder / "mask.nii.gz").unlink()
    description = {"Name": "fibres", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (tmp_path / "data" / "dataset_description.json").write_text(json.dumps(description))
    return tmp_path / "data"


def test_a_scan_with_a_wrong_gradient_table_is_refused(flipped, tmp_path, capsys):
    arguments = [str(flipped), str(tmp_path / "out"), "--train-label", "01"]
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert "sub-01_dwi.bvec: does not match the image (y flipped)" in told
    assert "change the sign of y in it; or use --gradient-check fix" in told
    assert not list((tmp_path / "out").glob("*/weights.safetensors"))


def test_a_wrong_table_may_be_corrected_or_used_all_the_same(
    flipped, tmp_path, caplog, monkeypatch
):
    from bids_sr.training import prepare

    tables = []
    save_view = prepare.save_view

    def spy(folder, number, gradients, *rest, **more):
        tables.append(gradients.bvecs)
        save_view(folder, number, gradients, *rest, **more)

    monkeypatch.setattr(prepare, "save_view", spy)
    arguments = [
        str(flipped), str(tmp_path / "out"), "--train-label", "01", "--steps", "1", "--patch", "8",
        "--batch-size", "2", "--width", "8", "--depth", "1", "--layers", "--subset", "0",
        "--kind", "volume",
        "--cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    assert main([*arguments, "--gradient-check", "fix"]) == 0
    assert "a corrected one is used" in caplog.text
    shutil.rmtree(tmp_path / "out")
    assert main([*arguments, "--gradient-check", "warn"]) == 0
    assert "change the sign of y" in caplog.text
    corrected, given = tables  # one view each, and the second did not take the first's cache
    assert np.allclose(corrected, given * [1, -1, 1])


SHORT = ("--kind", "volume", "--steps", "2", "--patch", "6", "--batch-size", "2", "--layers")
BARE = ("dwi", "tensor", "mean_b0", "mean_dwi", "tensor_across")


@pytest.fixture
def train(dataset, tmp_path):
    """A function that trains for two steps; returns the exit status."""

    def go(*more):
        return main([str(dataset), str(tmp_path / "out"), "--train-label", "01", *SHORT, *more])

    return go


@pytest.fixture
def start(make_model, tmp_path):
    """Folder of a network unlike the default one in all that a card says."""
    return make_model(tmp_path / "start", factor=3, channels=BARE, taps=3, blocks=2)


def test_the_network_comes_from_the_card(train, start, tmp_path, caplog):
    assert train("--init-from", str(start)) == 0
    card, given = load_card(str(tmp_path / "out" / "trained-x3"), 3), load_card(str(start), 3)
    assert (card.channels, card.architecture) == (given.channels, given.architecture)
    assert not [r for r in caplog.records if r.levelname == "WARNING" and r.name == "bids_sr"]
    # what the start was trained on is what its heir was trained on
    assert card.data == ("sub-01", *given.data)


def test_what_is_said_otherwise_is_honoured_and_told(train, start, tmp_path, caplog):
    more = ("--width", "6", "--scale", "2", "--channels", "dwi", "tensor", "tensor_rows")
    assert train("--init-from", str(start), *more) == 0
    card, given = load_card(str(tmp_path / "out" / "trained-x2"), 2), load_card(str(start), 3)
    assert card.channels == ("dwi", "tensor", "tensor_rows")
    expected = {**given.architecture, "width": 6, "factor": 2, "in_channels": 3, "filtered": 3}
    assert card.architecture == expected
    assert (
        "Dropped of start: channel mean_b0, channel mean_dwi, channel tensor_across, head.weight, "
        "kernels.weight" in caplog.text
    )
    assert (
        "Fresh, since start has none: channel tensor_rows, head.weight, kernels.weight, "
        "feature maps 5 to 6" in caplog.text
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--channels", "mean_b0", "dwi"), "must start with 'dwi'"),
        (("--channels", "dwi", "flair"), "flair"),
        (("--validate-label", "sub-01"), "sub-01: both for training and held out."),
        (("--init-from", "nowhere"), "There is no network 'nowhere'."),
        (("--device", "cuda:99"), "--device cuda:99: "),
    ],
)
def test_wrong_usage_is_told_before_anything_is_done(train, tmp_path, capsys, more, words):
    assert train(*more) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bids-sr-train: error: ") and words in line
    assert not (tmp_path / "out").exists()


def test_a_paper_network_has_no_channels_to_choose(train, tmp_path, capsys):
    from bids_sr.networks.paper_unet import PaperSuperResolver

    folder = tmp_path / "paper"
    folder.mkdir()
    save_file(PaperSuperResolver(2, width=16).state_dict(), folder / WEIGHTS)
    card = load_card("shallow-x2", 2)
    architecture = {"class": "PaperSuperResolver", "factor": 2, "width": 16}
    evolve(
        card, channels=["dwi"], architecture=architecture, sha256=checksum(folder / WEIGHTS)
    ).save(folder)
    assert train("--init-from", str(folder), "--depth", "2", "--channels", "dwi") == 2
    assert "has no --channels or --depth." in capsys.readouterr().err
    assert train("--init-from", str(folder)) == 0
    assert load_card(str(tmp_path / "out" / "trained-x2"), 2).architecture == architecture


def test_going_on_with_other_people_or_settings_is_refused(train, tmp_path, capsys):
    few = ("--width", "4", "--depth", "1")
    assert train(*few) == 0
    assert train(*few, "--validate-label", "02") == 2
    assert "scans held out [], not ['sub-02']" in capsys.readouterr().err
    assert train("--width", "5", "--depth", "1") == 2
    assert "width 4, not 5" in capsys.readouterr().err
    (tmp_path / "out" / "checkpoint.pt").write_bytes(b"PK\x03\x04 cut")
    assert train(*few) == 2
    assert "cannot be read as a checkpoint." in capsys.readouterr().err


def test_validation_on_somebody_the_start_learned_from_is_told(train, start, caplog):
    card = load_card(str(start), 3)
    evolve(card, data=("sub-02_acq-AP", "sub-02: somebody, CC0")).save(start)
    assert train("--init-from", str(start), "--validate-label", "02") == 0
    assert "start may have been trained on sub-02: its card lists sub-02_acq-AP." in caplog.text
