"""bids-sr-train as it is by default: a network for the series."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest
import torch
from attrs import fields_dict

from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import load_card
from bids_sr.training.cli import main
from bids_sr.training.parser import KINDS, build_parser, option_of
from bids_sr.training.series_settings import SeriesSettings
from bids_sr.training.settings import TrainingSettings

SHORT = (
    "--steps", "2", "--patch", "8", "--batch-size", "2", "--layers", "--width", "5", "--depth", "1",
    "--l2-width", "4", "--l2-depth", "1", "--subsets", "1", "--precision", "float32",
    "--coarsening", "1", "1.25",
)  # fmt: skip


@pytest.fixture
def train(make_dataset, tmp_path):
    """A function that trains for two steps; returns the exit status."""
    dataset = make_dataset("01", "02")

    def go(*more):
        return main([str(dataset), str(tmp_path / "out"), "--train-label", "01", *SHORT, *more])

    return go


def test_trains_resumes_and_exports(train, tmp_path, caplog):
    caplog.set_level(logging.INFO, "bids_sr")
    more = ("--validate-label", "02", "--licence", "CC0", "--credit", "somebody")
    assert train(*more) == 0
    card = load_card(str(tmp_path / "out" / "trained-x2"), 2)
    assert card.sees_series and card.channels == () and card.degradation == "kspace"
    assert card.voxel_sizes_mm == ((4.0, 4.0, 3.0), (4.8, 4.8889, 3.0))
    assert card.b_values == (1000,) and card.data == ("sub-01", "somebody")
    words = "Charbonnier (0.25) of b0 and 4 x mean + Charbonnier (0.3) of l = 2"
    assert card.loss.startswith(words)
    assert (card.licence, card.seed) == ("CC0", 42) and card.command.startswith("bids-sr-train ")
    (row,) = card.figures["validation"]
    assert (row["run"], row["step"]) == ("sub-02", 2)
    assert set(row) == {"step", "run", "left_b0", "left_mean", "left_l2"}
    network = load_network(card)
    assert network(torch.rand(1, 21, 9, 8)).shape == (1, 7, 18, 16)
    # as many steps as there were: exported again, without learning
    shutil.rmtree(tmp_path / "out" / "trained-x2")
    assert train(*more, "--name", "again") == 0
    assert "Resuming at step 2" in caplog.text
    again = load_network(load_card(str(tmp_path / "out" / "again"), 2))
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
    assert train(*more, "--steps", "4") == 0
    assert load_card(str(tmp_path / "out" / "trained-x2"), 2).figures["validation"][0]["step"] == 4


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--channels", "dwi"), "A training of --kind series has no --channels."),
        (("--b0-share", "0.2", "--subset", "4"), "has no --b0-share and no --subset."),
        (("--degradation", "box"), "--degradation"),
        (("--kind", "volume"), "A training of --kind volume has no --l2-width and no "),
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


@pytest.mark.parametrize(
    ("option", "value"),
    [("--noise", "-1"), ("--zero-filled", "1.5"), ("--coarsening", "0.5"), ("--steps", "0"),
     ("--ema", "nan"), ("--taps", "2"), ("--precision", "half"), ("--kind", "tensor")],
)  # fmt: skip
def test_impossible_values_are_refused(train, tmp_path, capsys, option, value):
    with pytest.raises(SystemExit) as ended:
        train(option, value)
    assert ended.value.code == 2
    assert option in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_starts_from_both_kinds(train, make_model, make_series_model, tmp_path, caplog):
    given = make_model(tmp_path / "volumes", channels=("dwi", "mean_b0"), taps=3)
    assert train("--init-from", str(given)) == 0
    assert "Fresh, since volumes has none: detail of b0, all of l2" in caplog.text
    card = load_card(str(tmp_path / "out" / "trained-x2"), 2)
    assert card.data == ("sub-01", "nobody")
    shutil.rmtree(tmp_path / "out")
    caplog.clear()
    series = make_series_model(tmp_path / "series")
    steps = ("--steps", "1", "--patch", "8", "--batch-size", "2", "--layers", "--subsets", "0")
    data = str(tmp_path / "raw")
    more = ("--init-from", str(series), *steps)
    assert main([data, str(tmp_path / "out"), "--train-label", "01", *more]) == 0
    own, given = load_card(str(tmp_path / "out" / "trained-x2"), 2), load_card(str(series), 2)
    assert dict(own.architecture) | dict(given.architecture) == own.architecture
    assert own.earlier_commands == (*given.earlier_commands, given.command)
    assert not [r for r in caplog.records if r.levelname == "WARNING" and r.name == "bids_sr"]


def test_a_network_for_the_series_is_no_start_of_one_for_volumes(
    make_dataset, make_series_model, tmp_path, capsys
):
    words = (str(make_dataset("01")), str(tmp_path / "out"), "--train-label", "01")
    series = make_series_model(tmp_path / "series")
    assert main([*words, "--kind", "volume", "--init-from", str(series)]) == 2
    assert "is a network for the series, not for single volumes." in capsys.readouterr().err


def test_too_fine_scans_are_left_out_or_nothing_is_left(train, tmp_path, capsys, caplog):
    caplog.set_level(logging.INFO, "bids_sr")
    assert train("--finest", "4.5") == 0
    assert "sub-01: finer than 4.5 mm, left out." in caplog.text
    card = load_card(str(tmp_path / "out" / "trained-x2"), 2)
    assert card.voxel_sizes_mm == ((4.8, 4.8889, 3.0),)
    shutil.rmtree(tmp_path / "out")
    assert train("--finest", "9") == 2
    assert "No scan is left to train on: all have voxels finer than 9 mm" in (
        capsys.readouterr().err
    )


def test_a_checkpoint_of_the_other_kind_is_not_gone_on_from(train, tmp_path, capsys):
    assert train() == 0
    words = ("--train-label", "01", "--kind", "volume", "--steps", "2", "--patch", "8", "--layers")
    assert main([str(tmp_path / "raw"), str(tmp_path / "out"), *words]) == 2
    assert "is of a training of another kind or version, with " in capsys.readouterr().err


def test_a_scan_that_teaches_nothing(make_dataset, tmp_path, capsys):
    dataset = make_dataset("01", directions=4)
    table = dataset / "sub-01" / "dwi" / "sub-01_dwi"
    vectors = np.vstack([np.eye(3), [[0.6, 0.8, 0], [0, 0.6, 0.8]]]).T
    np.savetxt(table.with_suffix(".bvec"), vectors)
    np.savetxt(table.with_suffix(".bval"), np.full((1, 5), 1000), fmt="%d")
    words = (str(dataset), str(tmp_path / "out"), "--train-label", "01", *SHORT)
    assert main([*words, "--gradient-check", "off"]) == 1
    assert "sub-01_dwi.nii.gz: cannot be used for training: it has no b0" in capsys.readouterr().err


def test_every_setting_of_a_kind_has_an_option_with_its_default():
    text = " ".join(build_parser().format_help().split())
    hidden = {"network", "filtered", "pool", "roll", "relative_features", "normalise_features",
              "from_interpolation", "augment"}  # fmt: skip
    for kind in KINDS.values():
        for name in fields_dict(kind).keys() - hidden:
            assert f"{option_of(name)} " in text, name
    assert (
        f"; default: {SeriesSettings().steps}; with --kind volume: {TrainingSettings().steps}"
        in text
    )
    assert "; default: 12, x3: 16; with --kind volume: 16" in text
    assert "; --kind series only; default: auto" in text
