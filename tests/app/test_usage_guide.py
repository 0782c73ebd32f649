"""docs/usage.md and the parser say the same."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from bids_sr.app.config import read_config
from bids_sr.app.options.groups import add_options
from bids_sr.app.parser import build_parser

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "usage.md"
ENDING = {"help", "version"}


@pytest.fixture(scope="module")
def text():
    return GUIDE.read_text(encoding="utf-8")


def rows(text):
    """First and second cell of the rows of the tables of options."""
    cells = [line.replace("\\|", "/").split("|") for line in text.splitlines()]
    return [(c[1], c[2].strip()) for c in cells if len(c) == 5 and c[1].strip().startswith("`-")]


def test_every_option_has_a_row_with_all_its_names_and_there_are_no_others(text):
    listed = [re.findall(r"--([a-z][a-z-]*)", first) for first, _ in rows(text)]
    options = add_options(argparse.ArgumentParser())
    wanted = [list(option.names) for option in options] + [[name] for name in ENDING]
    assert sorted(map(sorted, listed)) == sorted(map(sorted, wanted))


def test_short_names_and_choices(text):
    first = " ".join(name for name, _ in rows(text))
    for action in build_parser()._actions:
        if action.help == argparse.SUPPRESS:
            continue
        for name in action.option_strings:
            assert f"`{name}" in first, name
        for choice in action.choices or ():
            assert str(choice) in text


def test_defaults(text):
    shown = {re.search(r"--([a-z-]+)", name)[1]: default for name, default in rows(text)}
    defaults = vars(build_parser().parse_args(["in", "out", "group"]))
    for option in add_options(argparse.ArgumentParser()):
        default, told = defaults[option.dest], shown[option.names[0]]
        if option.flag is not None:
            assert told == "off"
        elif default not in (None, []):
            assert told == str(default), option
        else:
            assert told


def test_no_option_is_named_that_is_not_there(text):
    known = {name for option in add_options(argparse.ArgumentParser()) for name in option.names}
    flags = [o for o in add_options(argparse.ArgumentParser()) if o.flag is not None]
    known |= {f"no-{name}" for option in flags for name in option.names}
    known |= ENDING | {
        "json",
        "participant-lable",
        "data-consistency",
        "gpus",
        "nv",
        "participant_label",
        "part",
    }
    assert set(re.findall(r"`[^`]*?--([a-z][a-z_-]*)", text)) <= known


def test_the_example_is_a_configuration_file(text, tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    (tmp_path / "sr.toml").write_text(example)
    found = read_config(tmp_path / "sr.toml")
    assert found["nprocs"] == 8 and found["memory_mb"] == 32000 and found["fail_on_qc"] is True
    assert found["derivatives"] == [("qsiprep", Path("/data/derivatives/qsiprep"))]


def test_exit_statuses(text):
    from bids_sr import entry_point

    for status in (
        0,
        1,
        2,
        entry_point.EXIT_INTERNAL,
        entry_point.EXIT_INTERRUPTED,
        entry_point.EXIT_TERMINATED,
    ):
        assert re.search(rf"^\| (.*, )?{status}(, .*)? \|", text, re.M), status
