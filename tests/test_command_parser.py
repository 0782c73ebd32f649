"""All commands: what help says, and what a mistyped call is told."""

from __future__ import annotations

import argparse
import importlib
import re
import tomllib
from pathlib import Path

import pytest

from bids_sr.command_parser import CommandParser
from bids_sr.resources import read_version

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
MAINS = {
    name: getattr(importlib.import_module(place.split(":")[0]), place.split(":")[1])
    for name, place in SCRIPTS.items()
}
APP = ["in", "out", "participant"]


@pytest.fixture
def refused(capsys):
    """Call a command that must be refused; what was written to standard error, two lines."""

    def call(command, *words):
        with pytest.raises(SystemExit) as ended:
            MAINS[command](list(words))
        assert ended.value.code == 2
        told = capsys.readouterr()
        assert not told.out
        mistake, usage = told.err.splitlines()
        assert usage.startswith("Usage: ") and "--help" in usage
        return mistake

    return call


@pytest.mark.parametrize("command", MAINS)
def test_every_command_tells_its_version(command, capsys):
    with pytest.raises(SystemExit) as ended:
        MAINS[command](["--version"])
    assert not ended.value.code
    assert capsys.readouterr().out == f"bids_sr {read_version()}\n"


@pytest.mark.parametrize("command", MAINS)
def test_help_has_the_default_of_every_option_and_begins_with_one_line(command, capsys):
    for parser in all_parsers(command):
        text = parser.format_help()
        usage, _, _ = text.partition("\n\n")
        assert usage.count("\n") <= 1 and usage.startswith(f"usage: {parser.prog}")
        for action in parser._actions:
            ends = isinstance(action, argparse._HelpAction | argparse._VersionAction)
            if not action.option_strings or ends or action.help == argparse.SUPPRESS:
                continue
            told = parser._get_formatter()._expand_help(action)
            assert re.search(r"; (default: \S|required$)|only; default: ", told), told
            assert "None" not in told and "False" not in told and "[]" not in told


def all_parsers(command):
    """The parser of a command, and those of its subcommands."""
    module = importlib.import_module(SCRIPTS[command].split(":")[0])
    build = getattr(module, "build_parser", None)
    if build is None:
        build = importlib.import_module("bids_sr.app.parser").build_parser
    parser = build()
    below = [
        sub
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for sub in action.choices.values()
    ]
    assert all(type(each) is CommandParser for each in (parser, *below))
    return [parser, *below]


@pytest.mark.parametrize("command", MAINS)
def test_an_unknown_option_is_the_first_that_is_told(command, refused):
    """Whatever else is missing because of it."""
    mistake = refused(command, "--hlep")
    assert mistake == (f"{command}: error: --hlep: unknown option. Did you mean --help?")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--participant-lable", "01", *APP], "--participant-label"),
        ([*APP, "--participant_lable", "01"], "--participant-label"),
        ([*APP, "--participant_lable=01"], "--participant-label"),
        ([*APP, "--Scale", "3"], "--scale"),
        ([*APP, "-device", "cpu"], "--device"),
        ([*APP, "-work-dir", "w"], "--work-dir"),
        ([*APP, "--part", "01"], "--participant-label"),
        ([*APP, "--no-low-mm"], "--no-low-mem"),
        ([*APP, "--config=my file.toml"], "--config-file"),
        (["in", "out", "particpant"], "participant"),
        ([*APP, "--precision", "bfloat"], "bfloat16"),
    ],
)
def test_what_was_meant_is_suggested(refused, words, meant):
    mistake = refused("bids-sr", *words)
    assert mistake.endswith(f" Did you mean {meant}?")
    assert "_lable=" not in mistake


def test_all_unknown_options_are_told_at_once(refused):
    mistake = refused("bids-sr-evaluate", "in", "--devise", "cpu", "--participent-label=1")
    assert "Did you mean --device?" in mistake and "Did you mean --participant-label?" in mistake


def test_what_is_like_nothing_gets_no_suggestion(refused):
    mistake = refused("bids-sr", *APP, "--zzz")
    assert mistake == "bids-sr: error: --zzz: unknown option."


def test_what_only_looks_like_an_option_is_a_value():
    parser = CommandParser(prog="tool")
    parser.add_argument("-w")
    parser.add_argument("--number", type=float)
    parser.add_argument("--credit", nargs="*")
    parser.add_argument("file", nargs="?")
    assert parser.parse_args(["--number", "-1.5"]).number == -1.5
    assert parser.parse_args(["--credit=--by me"]).credit == ["--by me"]
    assert parser.parse_args(["--credit", "-- by -x"]).credit == ["-- by -x"]
    assert parser.parse_args(["--", "--file"]).file == "--file"
    assert parser.parse_args(["-wfolder"]).w == "folder"
    assert parser.parse_args(["-"]).file == "-"


@pytest.mark.parametrize(
    "words", [["--participant-label", "01", "02"], ["--participant-label", "01", "/in", "/out"]]
)
def test_a_list_before_the_folders_takes_them(refused, words):
    hint = "--participant-label takes every word that follows: put BIDS_DIR OUTPUT_DIR "
    assert hint in refused("bids-sr", *words)


def test_a_list_is_not_blamed_for_what_it_did_not_take(refused):
    assert "takes every word" not in refused("bids-sr", *APP, "--participant-label", "a/b")
    assert "takes every word" not in refused("bids-sr-train", "in", "out", "--credit", "me")


def test_what_is_required_stands_in_the_usage(capsys):
    with pytest.raises(SystemExit):
        MAINS["bids-sr-train"](["in", "out"])
    mistake, usage = capsys.readouterr().err.splitlines()
    assert mistake.endswith("the following arguments are required: --train-label.")
    assert usage.startswith(
        "Usage: bids-sr-train BIDS_DIR OUTPUT_DIR --train-label LABEL ... [options] "
    )


def test_options_of_a_subcommand_are_its_own(refused):
    mistake = refused("bids-sr-models", "show", "x", "--jsn")
    assert mistake.startswith("bids-sr-models show: error: --jsn: ")
    assert mistake.endswith("Did you mean --json?")


def test_an_option_of_a_subcommand_before_it_is_told_where_it_belongs(refused):
    assert refused("bids-sr-models", "--json", "list").endswith("--json: goes after list or show.")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([*APP, "--scale", "two"], "bids-sr: error: --scale: 'two' is not a whole number."),
        ([*APP, "--batch-size", "0"], "--batch-size: '0' is not a whole number above 0."),
        ([*APP, "--device"], "bids-sr: error: --device: expected one argument."),
        ([*APP, "--scale", "4"], "bids-sr: error: --scale: invalid choice: 4 (choose from 2, 3)."),
        (APP[:2], "bids-sr: error: the following arguments are required: analysis_level."),
    ],
)
def test_values_that_are_refused(refused, words, told):
    assert refused("bids-sr", *words).endswith(told)


def test_a_band_that_is_none(refused):
    need = ["in", "--participant-label", "1", "--zero-fill"]
    for wrong in ("0.5", "x,1", "0,1", "1,2", "1,1,1"):
        assert f"'{wrong}' is not two shares" in refused("bids-sr-evaluate", *need, wrong)


def test_licence_has_two_spellings():
    (parser,) = all_parsers("bids-sr-train")
    for spelling in ("--licence", "--license"):
        assert parser.parse_args(["a", "b", "--train-label", "1", spelling, "X"]).licence == "X"


def test_help_comes_whatever_else_is_wrong(capsys):
    with pytest.raises(SystemExit) as ended:
        MAINS["bids-sr"](["--no-such", "--help"])
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("usage: bids-sr ")


@pytest.mark.parametrize("command", ["bids-sr-train", "bids-sr-evaluate", "bids-sr-study"])
def test_devices_are_checked_and_auto_is_the_default(command, refused):
    (parser,) = all_parsers(command)
    (action,) = (a for a in parser._actions if a.dest == "device")
    assert action.default == "auto"
    need = [f for a in parser._actions if a.required for f in ([*a.option_strings[:1], "x"])]
    assert "'tpu' is not auto, cpu, cuda or cuda:N" in refused(command, *need, "--device", "tpu")
