"""Numbers on the command lines: what is taken, and what is said of the rest."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from bids_sr.argument_types import positive, real, whole


def test_numbers():
    assert (positive("007"), whole(0)("0"), real(0, 1)("1e-1")) == (7, 0, 0.1)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (positive, "0", "'0' is not a whole number above 0"),
        (positive, "1.5", "is not a whole number above 0"),
        (positive, "1_000", "is not a whole number above 0"),
        (positive, "٣", "is not a whole number above 0"),
        (whole(4), "3", "3 is less than 4"),
        (whole(0), "-1", "-1 is less than 0"),
        (whole(0), "two", "'two' is not a whole number"),
        (real(0), "-0.1", "-0.1 is not at least 0"),
        (real(0, 1), "2", "2 is not at least 0 and at most 1"),
        (real(0), "nan", "nan is not at least 0"),
        (real(0), "many", "'many' is not a number"),
    ],
)
def test_what_is_refused(kind, text, said):
    with pytest.raises(ArgumentTypeError) as error:
        kind(text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("bids_sr.app.parser", ["raw", "out", "participant", "--nprocs", "0"]),
        ("bids_sr.evaluation.cli", ["raw", "--threads", "0"]),
        ("bids_sr.evaluation.cli", ["raw", "--rim", "-1"]),
        ("bids_sr.study.cli", ["recipe.toml", "raw", "out", "--threads", "0"]),
        ("bids_sr.training.parser", ["raw", "out", "--width", "0"]),
    ],
)
def test_commands_share_them(module, arguments, capsys):
    from importlib import import_module

    with pytest.raises(SystemExit):
        import_module(module).build_parser().parse_args(arguments)
    said = capsys.readouterr().err
    assert "is not a whole number above 0" in said or "is less than" in said
