"""The command line: what is accepted, what is refused, and how fast it answers."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from bids_sr.app.options.groups import add_options
from bids_sr.app.options.sections import contrary
from bids_sr.app.parser import build_parser
from bids_sr.resources import read_version

POSITIONALS = ["in", "out", "participant"]
HEAVY = ("torch", "numpy", "nibabel", "dipy", "nipype", "bids", "matplotlib", "scipy", "yaml")


def parse(*options):
    return build_parser().parse_args([*POSITIONALS, *options])


def test_defaults():
    arguments = parse()
    assert (arguments.bids_dir, arguments.output_dir) == (Path("in"), Path("out"))
    assert (arguments.scale, arguments.device, arguments.model) == (2, "auto", None)
    assert arguments.data_consistency is True
    assert arguments.ensemble is None and arguments.uncertainty is False
    assert not arguments.participants and not arguments.sessions


@pytest.mark.parametrize("option", ["--participant-label", "--participant_label"])
def test_labels_lose_their_prefix(option):
    assert parse(option, "sub-01", "02").participants == ["01", "02"]
    assert parse("--session-id", "ses-a").sessions == ["a"]
    assert parse("--session-label", "b").sessions == ["b"]


def test_a_list_given_in_parts_adds_up():
    """In all spellings; what takes one value, the last one."""
    told = parse("--participant-label", "01", "sub-02", "--participant_label", "03")
    assert told.participants == ["01", "02", "03"]
    assert parse("--session-id", "a", "--session-label", "b", "--session_id", "c").sessions == [
        *"abc"
    ]
    assert parse("-d", "a=/a", "--derivatives", "b=/b").derivatives == [
        ("a", Path("/a")),
        ("b", Path("/b")),
    ]
    assert parse("--scale", "2", "--scale", "3").scale == 3
    assert not parse().participants, "what was said before is not remembered"


def test_every_list_adds_up():
    several = [option for option in add_options(argparse.ArgumentParser()) if option.several]
    assert len(several) == 3
    for option in several:
        words = [f"--{option.names[0]}", "a=a" if option.dest == "derivatives" else "a"] * 2
        assert len(getattr(parse(*words), option.dest)) == 2


@pytest.mark.parametrize(
    ("text", "megabytes"),
    [
        ("8000", 8000),
        ("8000M", 8000),
        ("8G", 8000),
        ("8gb", 8000),
        ("0.5T", 5e5),
        ("2000000K", 2000),
    ],
)
def test_memory_suffixes(text, megabytes):
    assert parse("--mem-mb", text).memory_mb == pytest.approx(megabytes)
    assert parse("--mem_mb", text).memory_mb == pytest.approx(megabytes)


@pytest.mark.parametrize(("text", "axis"), [("i", 0), ("j", 1), ("k", 2), ("0", 0), ("2", 2)])
def test_slice_axis_by_letter_or_number(text, axis):
    assert parse("--slice-axis", text).slice_axis == axis


def test_a_matrix_is_two_sides():
    assert parse("--input-matrix", "0110X96").input_matrix == "110x96"
    for wrong in ("110", "110x", "110x0", "110x4", "110,96", "-1x20", "1e3x20"):
        with pytest.raises(SystemExit) as ended:
            parse(f"--input-matrix={wrong}")
        assert ended.value.code == 2


def test_derivatives_are_named_by_their_folder_unless_told():
    found = parse("-d", "qsiprep=/data/x", "/data/derivatives/other").derivatives
    assert found == [("qsiprep", Path("/data/x")), ("other", Path("/data/derivatives/other"))]


def test_processors_have_the_names_people_know():
    assert parse("--nprocs", "4").nprocs == parse("--n-cpus", "4").nprocs == 4
    assert parse("--omp-nthreads", "3").threads == 3


def test_every_option_may_have_underscores_and_every_flag_a_contrary():
    parser = argparse.ArgumentParser()
    options = add_options(parser)
    values = {"nprocs": "2", "threads": "2", "memory_mb": "2G", "slice_axis": "k"}
    values |= {"batch_size": "2", "input_matrix": "110x110"}
    values |= {a.dest: str(a.choices[-1]) for a in parser._actions if a.choices is not None}
    assert len(options) > 25
    for option in options:
        value = (
            [] if option.flag is not None or option.counted else [values.get(option.dest, "cpu")]
        )
        found = [
            getattr(parse(f"--{name}", *value), option.dest)
            for dashed in option.names
            for name in (dashed, dashed.replace("-", "_"))
        ]
        assert all(each == found[0] for each in found), option
        assert found[0] not in (None, ()), option
        if option.flag is not None:
            for name in option.names:
                for spelling in (contrary(name), contrary(name).replace("-", "_")):
                    assert getattr(parse(f"--{spelling}"), option.dest) is (not option.flag)


def test_help_shows_one_spelling_and_the_default_of_each_option():
    text = " ".join(build_parser().format_help().split())
    assert not [word for word in text.split() if word.startswith("--") and "_" in word.strip(",.")
                and word != "--some_option."]  # fmt: skip
    for option in add_options(argparse.ArgumentParser()):
        assert f"--{option.names[0]}" in text
    assert text.count("; default: ") == len(add_options(argparse.ArgumentParser()))
    assert "--no-low-mem" not in text


def test_memory_and_processors_have_all_their_names():
    assert parse("--mem", "4G").memory_mb == 4000
    assert parse("--nthreads", "3").nprocs == 3


def test_v_is_verbose_and_counted():
    assert parse("-vv").verbose == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--scale", "4"),
        ("--slice-axis", "x"),
        ("--device", "gpu"),
        ("--device", "cuda:x"),
        ("--batch-size", "0"),
        ("--nprocs", "-1"),
        ("--mem-mb", "lots"),
        ("--mem-mb", "0"),
        ("--mem-mb", "8"),  # gigabytes were meant; nothing would ever start
        ("--mem-mb", "500K"),
        ("--participant-label", "../01"),
        ("--derivatives", "=path"),
        ("--no-such-option",),
        ("--data",),  # abbreviations would change their meaning with the next option
    ],
)
def test_nonsense_is_refused_with_status_2(options, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(*options)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_unknown_level_is_refused():
    with pytest.raises(SystemExit):
        build_parser().parse_args(["in", "out", "session"])


def test_help_lists_the_shipped_networks():
    from bids_sr.networks.registry import list_models

    text = build_parser().format_help()
    assert list_models()
    for name in list_models():
        assert name in text


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option):
    code = (
        "import sys\n"
        "from bids_sr.app.main import main\n"
        "try:\n"
        f"    main([{option!r}])\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code\n"
        f"heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("usage:" if option == "--help" else read_version()) in done.stdout
