"""The last look at the output folder: exit status 0 means that all is there."""

from __future__ import annotations

import json

import pytest

from bids_sr.app import participant


def arguments(dataset, out, model):
    return [
        str(dataset), str(out), "participant", "--model", str(model), "--nprocs", "1",
        "--device", "cpu", "--skip-bids-validation", "--self-check", "off", "--ensemble", "1",
    ]  # fmt: skip


@pytest.fixture
def call(make_dataset, tiny_model, tmp_path, capsys):
    """Call the program; what is in the way can be put there when the runs are over."""
    from bids_sr.app.main import main

    dataset = make_dataset("01", "02")
    out = tmp_path / "out"

    def go():
        status = main(arguments(dataset, out, tiny_model))
        return status, out, capsys.readouterr().err

    return go


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sub-01.html", "sub-02/figures/sub-02_desc-methods.md"])
@pytest.mark.parametrize("how", ["emptied", "removed"])
def test_a_page_that_is_spoilt_at_the_end_is_written_again(call, monkeypatch, name, how):
    process = participant.process

    def then_spoil(plans, *rest):
        failures = process(plans, *rest)
        spoil(plans[0].names.out_dir / name, how)
        return failures

    monkeypatch.setattr(participant, "process", then_spoil)
    status, out, told = call()
    assert status == 0, told
    assert (out / name).stat().st_size > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sub-01.html", "sub-01/figures/sub-01_desc-methods.bib"])
@pytest.mark.parametrize("how", ["emptied", "removed"])
def test_a_page_that_was_spoilt_since_is_written_again(call, name, how):
    _, out, _ = call()
    spoil(out / name, how)
    status, out, told = call()
    assert status == 0 and told.count("complete already") == 2, told
    assert (out / name).stat().st_size > 100


def spoil(path, how):
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes(b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dataset_description.json", "dataset_description.json is missing or damaged"),
        (
            "sub-02/dwi/sub-02_res-x2_desc-sr_dwi.nii.gz",
            "sub-02_res-x2_desc-sr_dwi.nii.gz is missing",
        ),
    ],
)
def test_a_file_that_vanishes_at_the_end(call, monkeypatch, name, words):
    process = participant.process

    def then_remove(plans, *rest):
        failures = process(plans, *rest)
        (plans[0].names.out_dir / name).unlink()
        return failures

    monkeypatch.setattr(participant, "process", then_remove)
    status, out, told = call()
    assert status == 1 and words in told
    if name.startswith("sub-02/"):
        record = json.loads((out / "logs/sub-02_error.json").read_text())
        assert "1 outputs are missing or damaged" in record["message"]
        assert "1 of 2 runs done" in told
    monkeypatch.undo()
    status, out, told = call()
    assert status == 0, told
    assert (out / name).is_file()
