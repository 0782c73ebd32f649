"""Arguments checked against each other and the file system."""

from __future__ import annotations

import json

import pytest

from bids_sr.app.parser import build_parser
from bids_sr.app.settings import make_settings
from bids_sr.errors import UsageError


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Settings from a command line in a folder with an empty dataset ``raw``."""
    (tmp_path / "raw").mkdir()
    monkeypatch.chdir(tmp_path)

    def build(*options, bids="raw", out="out", level="participant"):
        return make_settings(build_parser().parse_args([bids, out, level, *options]))

    return build


def test_paths_are_absolute(make, tmp_path):
    settings = make("-w", "work", "-d", "qsiprep=raw", "--bids-database-dir", "db")
    assert settings.bids_dir == tmp_path / "raw"
    assert settings.output_dir == tmp_path / "out"
    assert settings.work_dir == tmp_path / "work"
    assert settings.derivatives == (("qsiprep", tmp_path / "raw"),)
    assert settings.database_dir == tmp_path / "db"


def test_a_step_never_gets_more_cores_than_there_are(make):
    assert make("--nprocs", "2", "--omp-nthreads", "5").threads == 2
    assert make("--nprocs", "64").threads == 8
    assert make("--nprocs", "4", "--omp-nthreads", "3").threads == 3
    assert make().nprocs >= 1


def test_uncertainty_takes_all_copies(make):
    assert (make().ensemble, make().uncertainty) == (4, False)
    assert make("--ensemble", "2").ensemble == 2
    for options in ([], ["--ensemble", "8"]):
        settings = make("--uncertainty", *options)
        assert (settings.ensemble, settings.uncertainty) == (8, True)
    with pytest.raises(UsageError, match="requires a self-ensemble of 8, not 4"):
        make("--uncertainty", "--ensemble", "4")


def test_memory_in_gigabytes(make):
    assert make("--mem-mb", "8G").memory_gb == pytest.approx(8)
    assert make("--mem", "1500").memory_gb == pytest.approx(1.5)


def test_without_a_word_memory_is_what_the_machine_or_the_container_has(
    make, monkeypatch, tmp_path
):
    monkeypatch.setattr("bids_sr.app.settings.memory_gb", lambda: 10.0)
    assert make().memory_gb == pytest.approx(9)
    (tmp_path / "plugin.yml").write_text("plugin: SLURM\n")
    assert make("--use-plugin", "plugin.yml").memory_gb is None, "steps run elsewhere"
    assert make("--use-plugin", "plugin.yml", "--mem-mb", "4G").memory_gb == 4


def test_sloppy_is_quick_where_nothing_else_is_said(make):
    assert (make("--sloppy").ensemble, make("--sloppy").self_check) == (1, "off")
    assert make("--sloppy", "--ensemble", "2", "--self-check", "full").ensemble == 2
    assert make("--sloppy", "--self-check", "full").self_check == "full"
    assert make("--sloppy", "--uncertainty").ensemble == 8
    assert (make().sloppy, make().self_check) == (False, "auto")


def test_filters_and_plugin_are_read(make, tmp_path):
    (tmp_path / "filters.json").write_text('{"dwi": {"acquisition": "AP"}}')
    (tmp_path / "plugin.yml").write_text("plugin: SLURM\nplugin_args: {sbatch_args: --mem=8G}\n")
    settings = make("--bids-filter-file", "filters.json", "--use-plugin", "plugin.yml")
    assert settings.filters == {"dwi": {"acquisition": "AP"}}
    assert settings.plugin == {"plugin": "SLURM", "plugin_args": {"sbatch_args": "--mem=8G"}}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bids": "nowhere"}, "is not a folder"),
        ({"out": "raw"}, "both input and output"),
        ({"out": "raw/../raw/."}, "both input and output"),
    ],
)
def test_impossible_folders(make, options, words):
    with pytest.raises(UsageError, match=words):
        make(**options)


def test_work_folder_must_not_lie_in_the_dataset(make):
    with pytest.raises(UsageError, match="inside the input dataset"):
        make("-w", "raw/work")
    with pytest.raises(UsageError, match="inside the input dataset"):
        make("-w", "raw")


def test_output_below_the_dataset_is_fine(make, tmp_path):
    assert make(out="raw/derivatives/sr").output_dir == tmp_path / "raw/derivatives/sr"


def test_output_must_not_be_a_derivative_that_is_read(make, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="both input and output"):
        make("-d", "qsiprep=out")


def test_output_must_not_be_a_file(make, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        make()


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "is not JSON"), (json.dumps(["dwi"]), "query per suffix"), (None, "cannot be read")],
)
def test_bad_filter_file(make, tmp_path, content, words):
    if content is not None:
        (tmp_path / "filters.json").write_text(content)
    with pytest.raises(UsageError, match=words):
        make("--bids-filter-file", "filters.json")


@pytest.mark.parametrize(("content", "words"), [("a: [", "is not YAML"), ("- x", "nipype plugin")])
def test_bad_plugin_file(make, tmp_path, content, words):
    (tmp_path / "plugin.yml").write_text(content)
    with pytest.raises(UsageError, match=words):
        make("--use-plugin", "plugin.yml")


def test_group_level_needs_no_dataset(make):
    assert make(bids="nowhere", level="group").level == "group"
    assert make(bids="out", level="group").level == "group"


def test_what_is_named_twice_counts_once(make, tmp_path):
    settings = make(
        "--participant-label", "02", "01", "--participant-label", "sub-02",
        "--session-id", "a", "a", "-d", "q=raw", f"q={tmp_path}/raw",
    )  # fmt: skip
    assert (settings.participants, settings.sessions) == (("02", "01"), ("a",))
    assert settings.derivatives == (("q", tmp_path / "raw"),)


def test_a_name_of_derivatives_is_of_one_folder(make, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match=r"'q' is both .*raw and .*other"):
        make("-d", "q=raw", "-d", "q=other")
