"""bids-sr-train from the command line: dataset in, model folder out."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import load_card
from bids_sr.training.cli import build_parser, main


@pytest.fixture
def dataset(tmp_path, make_run):
    folder = tmp_path / "data" / "sub-01" / "dwi"
    folder.mkdir(parents=True)
    make_run(folder)
    description = {"Name": "tiny", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (tmp_path / "data" / "dataset_description.json").write_text(json.dumps(description))
    return tmp_path / "data"


def test_trains_and_exports(dataset, tmp_path):
    arguments = [
        str(dataset), str(tmp_path / "out"), "--train-label", "01", "--validate-label", "01",
        "--steps", "4", "--patch", "8", "--batch-size", "2", "--width", "8", "--depth", "1",
        "--layers", "--ema", "0.9", "--name", "mine", "--licence", "CC0", "--credit", "somebody",
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


def test_unknown_label_is_wrong_usage(dataset, tmp_path, caplog):
    assert main([str(dataset), str(tmp_path / "out"), "--train-label", "99"]) == 2
    assert "99" in caplog.text


def test_layer_without_weight(dataset, tmp_path, caplog):
    arguments = [str(dataset), str(tmp_path / "out"), "--train-label", "01", "--layers", "relu1_2"]
    assert main(arguments) == 2
    assert "relu1_2=0.1" in caplog.text


def test_trains_on_hcp_folders(make_hcp, tmp_path):
    arguments = [
        str(make_hcp("100610", "102311")), str(tmp_path / "out"), "--train-label", "100610",
        "--validate-label", "102311", "--steps", "2", "--patch", "8", "--batch-size", "2",
        "--width", "8", "--depth", "1", "--layers", "--name", "hcp",
    ]  # fmt: skip
    assert main(arguments) == 0
    card = load_card(str(tmp_path / "out" / "hcp"), 2)
    assert [round(b, -2) for b in card.b_values] == [1000, 2000]
    assert card.data[0] == "sub-100610"
    assert {row["run"] for row in card.figures["validation"]} == {"sub-102311"}


def test_a_folder_of_neither_kind(tmp_path, caplog):
    assert main([str(tmp_path), str(tmp_path / "out"), "--train-label", "01"]) == 2
    assert "HCP" in caplog.text


def test_lists_given_in_parts_add_up_and_defaults_do_not_count():
    words = ["data", "out", "--train-label", "1", "--train-label", "2", "3", "--layers", "--layers"]
    found = build_parser().parse_args([*words, "relu1_2=1", "--degradation", "box"])
    assert found.train_label == ["1", "2", "3"] and not found.validate_label
    assert (found.layers, found.degradation, found.coarsening) == (["relu1_2=1"], ["box"], [1.0])
    assert build_parser().parse_args(words[:4]).degradation == ["kspace"]


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


def test_a_scan_with_a_wrong_gradient_table_is_refused(flipped, tmp_path, caplog):
    arguments = [str(flipped), str(tmp_path / "out"), "--train-label", "01"]
    assert main(arguments) == 1
    assert "sub-01_dwi.bvec: does not fit the image (y flipped)" in caplog.text
    assert "change the sign of y in it; or give --gradient-check fix" in caplog.text
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
        "--cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    assert main([*arguments, "--gradient-check", "fix"]) == 0
    assert "a corrected one is used" in caplog.text
    shutil.rmtree(tmp_path / "out")
    assert main([*arguments, "--gradient-check", "warn"]) == 0
    assert "change the sign of y" in caplog.text
    corrected, given = tables  # one view each, and the second did not take the first's cache
    assert np.allclose(corrected, given * [1, -1, 1])
