"""The validator's errors are told, and stop nothing."""

from __future__ import annotations

import json
import logging

import pytest

from bids_sr.app import validation
from bids_sr.app.validation import validate_input

needs_validator = pytest.mark.skipif(
    validation._find_program() is None, reason="no BIDS validator is installed"
)


@pytest.fixture
def dataset(make_dataset):
    root = make_dataset("01", "02")
    (root / "sub-02/dwi/sub-02_nonsense.nii.gz").write_bytes(b"")
    return root


@needs_validator
def test_errors_are_logged_and_listed(dataset, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "bids_sr"):
        count = validate_input(dataset, (), tmp_path)
    assert count >= 1
    assert "sub-02_nonsense" in caplog.text
    assert len(json.loads((tmp_path / "bids_validation.json").read_text())["errors"]) == count


@needs_validator
def test_other_participants_are_left_out(dataset, tmp_path, caplog):
    assert validate_input(dataset, ("01",), tmp_path) == 0
    assert not caplog.records
    assert not (tmp_path / "bids_validation.json").exists()


def test_the_validator_sees_no_other_participants(dataset, tmp_path, monkeypatch):
    """It must not go through thousands of people when one is asked for."""
    program, seen = tmp_path / "bids-validator", tmp_path / "seen"
    program.write_text(f"#!/bin/sh\nfind -L $1 -type f > {seen}\n")
    program.chmod(0o755)
    monkeypatch.setattr(validation, "_find_program", lambda: str(program))
    (dataset / "derivatives").mkdir()
    (dataset / "derivatives" / "big.txt").write_text("")
    validate_input(dataset, ("02",), tmp_path)
    told = seen.read_text()
    assert "sub-02_dwi.nii.gz" in told and "dataset_description.json" in told
    assert "sub-01" not in told and "derivatives" not in told


@needs_validator
def test_errors_of_one_participant_are_found_through_links(dataset, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "bids_sr"):
        assert validate_input(dataset, ("02",), tmp_path) >= 1
    assert "sub-02_nonsense" in caplog.text and str(dataset) in caplog.text


@pytest.mark.parametrize("words", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho '[]'\n", "no program"])
def test_a_validator_that_does_not_work_stops_nothing(dataset, tmp_path, monkeypatch, words):
    program = tmp_path / "bids-validator"
    program.write_text(words)
    program.chmod(0o755)
    monkeypatch.setattr(validation, "_find_program", lambda: str(program))
    assert validate_input(dataset, (), tmp_path) == 0


def test_no_validator(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "_find_program", lambda: None)
    assert validate_input(dataset, (), tmp_path) == 0
