"""Calls that cannot work: one line, status 2, and nothing is written."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("usage") / "raw", ("01", "02"))


def refused(outcome, *words):
    assert outcome.status == 2
    (line,) = outcome.told.splitlines()
    assert line.startswith("bids-sr: error: ")
    for word in words:
        assert str(word) in line
    assert not list(outcome.out.rglob("*.nii.gz"))


def test_unknown_label_lists_what_there_is(process, dataset, tmp_path):
    refused(process(dataset, tmp_path / "out", "--participant-label", "99"), "99", "01, 02")


def test_unknown_session(process, dataset, tmp_path):
    refused(process(dataset, tmp_path / "out", "--session-id", "a"), "session a")


def test_no_dataset(process, tmp_path):
    refused(process(tmp_path / "nowhere", tmp_path / "out"), tmp_path / "nowhere")


def test_no_description(process, dataset, tmp_path):
    copy = tmp_path / "raw"
    shutil.copytree(dataset, copy)
    (copy / "dataset_description.json").unlink()
    refused(process(copy, tmp_path / "out"), "dataset_description.json")


def test_empty_dataset(process, tmp_path):
    empty = tmp_path / "raw"
    empty.mkdir()
    (empty / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    refused(process(empty, tmp_path / "out"), "no diffusion run found")


def test_a_filter_that_leaves_nothing(process, dataset, tmp_path):
    filters = tmp_path / "filters.json"
    filters.write_text(json.dumps({"dwi": {"acquisition": "none"}}))
    refused(
        process(dataset, tmp_path / "out", "--bids-filter-file", filters), "no diffusion run found"
    )


def test_output_is_input(process, dataset, tmp_path):
    copy = tmp_path / "raw"
    shutil.copytree(dataset, copy)
    before = sorted(copy.rglob("*"))
    outcome = process(copy, copy)
    assert outcome.status == 2 and "both input and output" in outcome.told
    assert sorted(copy.rglob("*")) == before


def test_work_folder_in_the_dataset(process, dataset, tmp_path):
    refused(process(dataset, tmp_path / "out", "-w", dataset / "work"), "inside the input")
    assert not (dataset / "work").exists()


def test_weights_that_are_not_the_cards(process, model, dataset, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(model, damaged)
    weights = bytearray((damaged / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (damaged / "weights.safetensors").write_bytes(weights)
    refused(
        process(dataset, tmp_path / "out", "--model", damaged), "weights.safetensors", "checksum"
    )


def test_unknown_network(process, dataset, tmp_path):
    refused(process(dataset, tmp_path / "out", "--model", "no-such"), "no-such", "Shipped")


def test_network_of_another_factor(process, dataset, tmp_path):
    refused(process(dataset, tmp_path / "out", "--scale", "3"), "factor 2")


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_no_gpu(process, dataset, tmp_path, monkeypatch, device):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = process(dataset, tmp_path / "out", "--device", device)
    refused(outcome, "no CUDA GPU", "docker run --gpus all", "apptainer run --nv")


def test_output_that_cannot_be_written(process, dataset, tmp_path):
    (tmp_path / "file").write_text("")
    outcome = process(dataset, tmp_path / "file" / "out")
    assert outcome.status == 1
    assert len(outcome.told.splitlines()) == 1 and "Traceback" not in outcome.told


def test_output_of_another_kind_of_dataset(process, dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "out", dirs_exist_ok=True)
    outcome = process(dataset, tmp_path / "out")
    assert outcome.status == 2 and "does not describe a derivative" in outcome.told
