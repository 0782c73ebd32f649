"""The Boutiques descriptor is what the parser says, validates, and makes calls that we take."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
from pathlib import Path

import pytest

from bids_sr.app.parser import build_parser

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "boutiques"
DESCRIPTOR = FOLDER / "bids_sr.json"
REQUIRED = {"bids_dir": "/in", "output_dir": "/out", "analysis_level": "participant"}


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("maker", FOLDER / "make_descriptor.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bosh():
    return pytest.importorskip("boutiques").bosh


@pytest.fixture
def simulate(bosh, tmp_path):
    """The arguments that Boutiques gives to the program."""

    def call(invocation):
        file = tmp_path / "invocation.json"
        file.write_text(json.dumps(invocation))
        line = bosh(["exec", "simulate", str(DESCRIPTOR), "-i", str(file)]).stdout.strip()
        program, *arguments = shlex.split(line)
        assert program == "bids-sr"
        return build_parser().parse_args(arguments)

    return call


def test_it_is_what_the_parser_says(maker):
    assert json.loads(DESCRIPTOR.read_text()) == maker.make_descriptor(), (
        "run: python examples/boutiques/make_descriptor.py"
    )


def test_every_option_is_in_it():
    flags = {
        entry.get("command-line-flag") for entry in json.loads(DESCRIPTOR.read_text())["inputs"]
    }
    for action in build_parser()._actions:
        other = isinstance(action, argparse._HelpAction | argparse._VersionAction)
        # other spellings of an option are hidden from the help
        if action.option_strings and not other and action.help != argparse.SUPPRESS:
            assert flags & set(action.option_strings), action.option_strings


def test_it_validates(bosh):
    bosh(["validate", str(DESCRIPTOR)])


def test_the_example_call(simulate):
    example = FOLDER / "invocation.json"
    found = simulate(json.loads(example.read_text()))
    assert (found.bids_dir, found.analysis_level) == (Path("/data/bids"), "participant")
    assert found.participants == ["01", "02"]
    assert found.derivatives == [("qsiprep", Path("/data/derivatives/qsiprep"))]
    assert (found.scale, found.ensemble, found.nprocs, found.memory_mb) == (3, 1, 4, 12000)
    assert not found.data_consistency
    assert (found.work_dir, found.verbose) == (Path("/scratch/work"), 1)


def test_every_option_reaches_the_parser(simulate, maker):
    """One call with all of them, each with a value of its type that is not its default."""
    texts = {
        "participant_label": ["01"],
        "session_id": ["a"],
        "derivatives": ["x=/y"],
        "slice_axis": "k",
        "mem_mb": "8G",
        "input_matrix": "110x110",
        "device": "cpu",
    }
    values = {"Flag": True, "Number": 1, "String": "text", "File": "/file"}
    given = {
        entry["id"]: texts.get(entry["id"], entry.get("value-choices", [values[entry["type"]]])[-1])
        for entry in maker.make_descriptor()["inputs"]
    } | REQUIRED
    found = vars(simulate(given))
    untouched = vars(build_parser().parse_args(list(REQUIRED.values())))
    same = {name for name, value in found.items() if untouched[name] == value}
    assert same <= {"bids_dir", "output_dir", "analysis_level"}


def test_what_boutiques_refuses(bosh, tmp_path):
    for wrong in ({"scale": 5}, {"nprocs": 0}, {"nprocs": "two"}, {"participant_label": []}):
        file = tmp_path / "invocation.json"
        file.write_text(json.dumps({**REQUIRED, **wrong}))
        with pytest.raises(Exception):  # noqa: B017 - a jsonschema error, in a wrapping of Boutiques
            bosh(["invocation", str(DESCRIPTOR), "-i", str(file)])
