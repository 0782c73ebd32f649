"""The configuration file: what it may say, who wins, and that it can be written again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_sr.app.config import to_toml
from bids_sr.app.parser import parse_arguments
from bids_sr.app.settings import make_settings
from bids_sr.errors import UsageError


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """A function that parses options over a configuration file of this text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()

    def call(text, *options):
        Path("config.toml").write_text(text)
        return parse_arguments(
            ["raw", "out", "participant", "--config-file", "config.toml", *options]
        )

    return call


def test_flat_keys_with_dashes_or_underscores(parse):
    found = parse(
        'participant_label = ["sub-01", "02"]\nsession-label = "a"\nscale = 3\nmem = "4G"\n'
        'n-cpus = 2\nslice-axis = "j"\nlow_mem = true\nverbose = 2\n'
    )
    assert found.participants == ["01", "02"] and found.sessions == ["a"]
    assert (found.scale, found.memory_mb, found.nprocs) == (3, 4000, 2)
    assert (found.slice_axis, found.low_mem, found.verbose) == (1, True, 2)
    assert found.device == "auto", "what is not said keeps its default"


def test_tables_only_group(parse):
    found = parse(
        '[execution]\nwork-dir = "work"\nstop-on-first-crash = true\n[anything]\nensemble = 2\n'
        '[derivatives]\nqsiprep = "pre"\nother = "/data/other"\n'
    )
    assert found.work_dir == Path("work") and found.stop_on_first_crash and found.ensemble == 2
    assert found.derivatives == [("qsiprep", Path("pre")), ("other", Path("/data/other"))]


def test_derivatives_as_on_the_command_line(parse):
    assert parse('derivatives = ["qsiprep=pre"]').derivatives == [("qsiprep", Path("pre"))]
    assert parse('[execution.derivatives]\nq = "pre"').derivatives == [("q", Path("pre"))]


def test_the_command_line_wins_key_by_key(parse):
    text = (
        'scale = 3\nensemble = 2\nparticipant-label = ["01"]\nlow-mem = true\nverbose = 2\n'
        "data-consistency = false\n"
    )
    found = parse(text, "--scale", "2", "--participant-label", "09", "--no-low-mem", "-v")
    assert (found.scale, found.participants, found.low_mem, found.verbose) == (2, ["09"], False, 1)
    assert found.ensemble == 2 and found.data_consistency is False
    assert parse(text, "--data-consistency").data_consistency is True


def test_a_list_of_the_command_line_takes_the_place_of_the_file_s(parse):
    text = 'participant-label = ["01", "02"]\nsession-id = ["a"]\n[derivatives]\nq = "pre"\n'
    found = parse(text, "--participant-label", "03", "--participant_label", "04", "-d", "r=pre")
    assert (found.participants, found.sessions) == (["03", "04"], ["a"])
    assert found.derivatives == [("r", Path("pre"))]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("self-chek = 'off'", "self-chek: unknown option. Did you mean self-check?"),
        ("zzz = 1", "Available: batch-size, bids-database-dir"),
        ("bids_dir = 'x'", "bids_dir: belongs on the command line"),
        ("config-file = 'x'", "config-file: names another file"),
        ("help = true", "help: unknown option"),
        ("scale = 4", "scale: invalid choice: 4"),
        ("scale = 'two'", "scale: 'two' is not a whole number. See"),
        (
            "precision = 'bfloat'",
            "(choose from auto, float32, bfloat16). Did you mean bfloat16? See",
        ),
        ("participant-label = ['--zzz']", "participant-label: --zzz: unknown option."),
        ("scale = true", "scale: must be a single string or number"),
        ("device = 'gpu'", "device: 'gpu' is not auto"),
        ("mem-mb = 8", "mem-mb: '8' is 8 MB"),
        ("low-mem = 'yes'", "low-mem: must be true or false, not 'yes'"),
        ("low-mem = 1", "low-mem: must be true or false"),
        ("verbose = true", "verbose: must be a number"),
        ("participant-label = [1]", "participant-label: must be a list of strings"),
        ("participant-label = []", "participant-label: must be a list"),
        ("participant-label = ['../x']", "participant-label: '../x' is not a label"),
        ("participant-label = ['--scale']", "participant-label: "),
        ("ensemble = [1]", "ensemble: must be a single string or number"),
        ("nprocs = 2\nn-cpus = 3", "n-cpus: repeats another key"),
        ("[a.b]\nscale = 2", "a.b: is a table within a table"),
        ("scale = ", "is not TOML"),
    ],
)
def test_what_is_refused(parse, text, told):
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert told in str(refused.value) and "config.toml" in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_file_that_cannot_be_read(parse, tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        parse_arguments(["a", "b", "group", "--config-file", str(tmp_path / "none.toml")])
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not TOML"):
        parse_arguments(["a", "b", "group", "--config-file", str(tmp_path / "binary.toml")])


OPTIONS = {
    "nothing": [],
    "much": [
        "--participant-label", "01", "sub-02", "--session-id", "a", "--bids-filter-file", "f.json",
        "--bids-database-dir", "db", "-d", "qsiprep=pre", "--skip-bids-validation", "--scale", "3",
        "--model", "it's \"mine\"", "--slice-axis", "j", "--no-data-consistency", "--input-band",
        "full", "--uncertainty", "--output-dtype", "int16", "--sloppy", "--self-check", "full",
        "--fail-on-qc", "--device", "cuda:1", "--batch-size", "3", "--nprocs", "5",
        "--omp-nthreads", "2", "--mem-mb", "6.5G", "--low-mem", "--resource-monitor", "-w",
        "work", "--clean-workdir", "--write-graph",
        "--stop-on-first-crash", "--use-plugin", "p.yml", "-vv", "--notrack",
    ],
    "a matrix": ["--input-matrix", "110x96"],
}  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_written_and_read_again_it_makes_the_same_settings(parse, tmp_path, monkeypatch, options):
    Path("pre").mkdir()
    Path("f.json").write_text(json.dumps({"dwi": {"acquisition": "AP"}}))
    Path("p.yml").write_text("plugin: SLURM\n")
    before = make_settings(parse_arguments(["raw", "out", "participant", *options]))
    text = to_toml(before.options)
    (tmp_path / "elsewhere").mkdir()
    again = tmp_path / "again.toml"
    again.write_text(text)
    monkeypatch.chdir(tmp_path / "elsewhere")  # paths in it are absolute
    paths = [str(tmp_path / name) for name in ("raw", "out")]
    after = make_settings(parse_arguments([*paths, "participant", "--config-file", str(again)]))
    assert after == before
    assert to_toml(after.options) == text
