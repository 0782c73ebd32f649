"""bids-sr-evaluate from the command line: dataset in, tables out."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from bids_sr.evaluation.cli import main
from bids_sr.evaluation.goals import NOISE_ALONE
from bids_sr.networks.card import read_card


@pytest.fixture
def evaluate(make_dataset, tiny_model, tmp_path):
    """A function that scores the tiny network on the tiny scan; returns the rows by method."""
    dataset, out = make_dataset("01"), tmp_path / "figures.json"

    def run(*more):
        arguments = [
            str(dataset), "--participant-label", "01", "--model", str(tiny_model),
            "--device", "cpu", "--threads", "1", "--ensemble", "1", "--out", str(out), *more,
        ]  # fmt: skip
        assert main(arguments) == 0
        return {row["method"]: row for row in json.loads(out.read_text())["rows"]}

    return run


def test_every_method_is_scored_on_a_small_scan(evaluate, capsys):
    rows = evaluate()
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(table) == 2 * (1 + 6)
    assert list(rows) == ["linear", "cubic", "sinc", NOISE_ALONE, "tiny, no consistency", "tiny"]
    assert rows["sinc"]["psnr_b0"] > rows["linear"]["psnr_b0"]
    assert rows["sinc"]["fa_mae"] > 0
    assert rows["sinc"]["qa_mae"] > rows[NOISE_ALONE]["qa_mae"] > 0
    # an untrained network that adds random detail, with and without the measured band
    assert rows["sinc"]["psnr_dwi"] > rows["tiny"]["psnr_dwi"]
    assert rows["tiny"]["psnr_dwi"] != rows["tiny, no consistency"]["psnr_dwi"]
    # a perfect result: nothing but the noise that the scan has beyond the measured band
    assert rows["sinc"]["psnr_dwi"] + 1 < rows[NOISE_ALONE]["psnr_dwi"] < 100
    assert rows["sinc"]["left_b0"] == pytest.approx(1, abs=0.02)
    assert rows["sinc"]["left_mean_b1000"] == pytest.approx(1, abs=0.02)
    # random detail explains nothing, and adds to what must be explained
    assert rows["tiny"]["left_mean"] == rows["tiny"]["left_mean_b1000"] > 1
    assert 0 < rows[NOISE_ALONE]["noise_left_mean_b1000"] < 0.5
    assert table[-1].startswith("| noise share of the reference | ")


def test_a_known_truth_is_noise_free_and_its_scan_is_not(evaluate, tmp_path, capsys):
    rows = evaluate("--reference", "synthetic", "--goals", "--work", str(tmp_path / "work"))
    printed = capsys.readouterr().out
    assert "goal" not in printed  # they are for the scan as the reference
    # the truth has no noise: nothing of it limits a result, nor is anything taken out
    assert NOISE_ALONE not in rows
    assert 0.98 < rows["sinc"]["left_l2_b1000"] < 1.02
    assert "noise share" not in printed


def test_a_denoised_scan_has_noise_that_nobody_knows(evaluate, tmp_path, capsys):
    rows = evaluate("--reference", "denoised", "--work", str(tmp_path / "work"))
    assert NOISE_ALONE not in rows
    assert not [key for row in rows.values() for key in row if key.startswith("left_")]
    assert "unexplained" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--participant-label", "99"], "no participant 99"),
        (["--run", "sub-01_acq-X"], "Give sub-01."),
        (["--scale", "3"], "factor 2, not 3"),
        (["--device", "cuda:99"], "--device cuda:99: "),
    ],
)
def test_wrong_usage_is_one_line(make_dataset, tiny_model, capsys, more, words):
    arguments = [str(make_dataset("01")), "--participant-label", "01", "--model", str(tiny_model)]
    assert main([*arguments, *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bids-sr-evaluate: error: ")
    assert words in line


def test_no_brain_left_is_bad_input(make_dataset, tiny_model, capsys):
    arguments = [str(make_dataset("01")), "--participant-label", "01", "--model", str(tiny_model)]
    assert main([*arguments, "--rim", "12"]) == 1
    assert "--rim" in capsys.readouterr().err


def test_scores_on_hcp_folders(make_hcp, tiny_model, capsys):
    arguments = [str(make_hcp()), "--participant-label", "100610", "--model", str(tiny_model)]
    assert main([*arguments, "--device", "cpu", "--threads", "1", "--ensemble", "1"]) == 0
    assert capsys.readouterr().out.startswith("sub-100610, x2, against scan")


def test_neighbouring_slices_must_be_there(make_dataset, tiny_series_model, capsys):
    model = str(tiny_series_model)
    arguments = [str(make_dataset("01")), "--participant-label", "01", "--model", model]
    assert main([*arguments, "--slices-step", "2"]) == 2
    assert "Give --slices-step 1." in capsys.readouterr().err


@pytest.mark.slow
def test_figures_on_the_card_come_out_again(make_dataset, tiny_model, capsys):
    arguments = [
        str(make_dataset("01")), "--participant-label", "01", "--model", str(tiny_model),
        "--device", "cpu", "--threads", "1", "--ensemble", "1",
    ]  # fmt: skip
    assert main([*arguments, "--to-card"]) == 0
    assert "The card has" not in capsys.readouterr().out
    card = json.loads((tiny_model / "card.json").read_text())
    (name,) = (key for key in card["figures"] if key.startswith("sub-01 against scan"))
    assert [row["method"] for row in card["figures"][name]][:3] == ["linear", "cubic", "sinc"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.rstrip().endswith("The card has the same figures.")
    card["figures"][name][-1]["PSNR b0 (dB)"] += 0.5
    (tiny_model / "card.json").write_text(json.dumps(card))
    assert main(arguments) == 0
    assert "other figures: tiny PSNR b0 (dB)" in capsys.readouterr().out
    # a card from before there were such figures is compared by what it has
    for row in card["figures"][name]:
        row.pop("left of b0", None)
    card["figures"][name][-1]["PSNR b0 (dB)"] -= 0.5
    (tiny_model / "card.json").write_text(json.dumps(card))
    assert main(arguments) == 0
    assert "The card has the same figures." in capsys.readouterr().out
    card["figures"][name].append({"method": "another", "PSNR b0 (dB)": 30.0})
    (tiny_model / "card.json").write_text(json.dumps(card))
    assert main(arguments) == 0
    assert "other figures: of other methods." in capsys.readouterr().out
    # of other slices it has none
    assert main([*arguments, "--slices-step", "2"]) == 0
    assert "The card has" not in capsys.readouterr().out


@pytest.mark.slow
def test_what_the_gradient_check_says_stands_with_the_figures(
    fibres, tiny_model, tmp_path, capsys, caplog
):
    folder, out = tmp_path / "data" / "sub-01" / "dwi", tmp_path / "figures.json"
    fibres.write_scan(folder, size=72.0, head=True, bvecs=fibres.directions(20) * [-1, 1, 1])
    (folder / "mask.nii.gz").unlink()
    description = {"Name": "fibres", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (tmp_path / "data" / "dataset_description.json").write_text(json.dumps(description))
    arguments = [
        str(tmp_path / "data"), "--participant-label", "01", "--model", str(tiny_model),
        "--device", "cpu", "--threads", "1", "--ensemble", "1", "--out", str(out),
        "--slices-step", "6",
    ]  # fmt: skip
    for mode, said in (
        ("warn", "x flipped"),
        ("fix", "x flipped, corrected"),
        ("off", "not checked"),
    ):
        assert main([*arguments, "--gradient-check", mode]) == 0
        assert json.loads(out.read_text())["gradients"] == said
        assert f"gradients {said}" in capsys.readouterr().out
    assert "change the sign of x in the bvec file" in caplog.text


SEEN = (
    "tiny may have been trained on sub-01: its card lists sub-01_acq-AP. If it is the same "
    "person, the figures are better than those of somebody it has not seen."
)


def test_a_participant_of_the_training_data_is_told(
    make_dataset, tiny_model, tmp_path, capfd, caplog
):
    evolve(read_card(tiny_model), data=("sub-01_acq-AP", "sub-011", "sub-02: sub-01")).save(
        tiny_model
    )
    out = tmp_path / "figures.json"
    arguments = [
        str(make_dataset("01", "02")), "--model", str(tiny_model), "--device", "cpu",
        "--threads", "1", "--ensemble", "1", "--out", str(out), "--goals",
    ]  # fmt: skip
    assert main([*arguments, "--participant-label", "01", "--to-card"]) == 0
    told = capfd.readouterr().out
    assert told.rstrip().endswith(f"(*) {SEEN}")
    marked = [line for line in told.splitlines() if "tiny" in line and line.startswith("|")]
    # figures and shares with and without consistency, and the goals
    assert len(marked) == 5 and all("(*)" in line for line in marked)
    assert not [line for line in told.splitlines() if "(*)" in line and "sinc" in line]
    assert SEEN in caplog.messages
    assert json.loads(out.read_text())["seen_in_training"] == SEEN
    assert [
        name for name in read_card(tiny_model).figures if name.endswith("maybe seen in training")
    ]
    # a label that only begins alike, or stands in a credit, is nobody's
    assert main([*arguments, "--participant-label", "02"]) == 0
    assert "(*)" not in capfd.readouterr().out
    assert json.loads(out.read_text())["seen_in_training"] == ""
