"""Options that decide what is done at all, and with what."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("line") / "raw", ("01", "02"))


@pytest.fixture(scope="module")
def sloppy(process, dataset, tmp_path_factory):
    """A call with --sloppy, told by a configuration file, with the graph drawn."""
    folder = tmp_path_factory.mktemp("sloppy")
    config = folder / "sr.toml"
    config.write_text('[any]\nsloppy = true\nparticipant_label = ["02"]\nwrite-graph = true\n')
    return process(dataset, folder / "out", "--config-file", config, "--participant-label", "01")


def record(outcome):
    path = outcome.out / "sub-01/dwi/sub-01_res-x2_desc-sr_quality.json"
    return json.loads(path.read_text())


def test_the_configuration_file_is_heard_and_the_command_line_wins(sloppy):
    assert sloppy.status == 0, sloppy.told
    assert (sloppy.out / "sub-01.html").is_file() and not (sloppy.out / "sub-02.html").exists()


def test_sloppy_is_told_everywhere(sloppy):
    assert sloppy.lines("warning", "--sloppy")
    found = record(sloppy)
    assert (found["ensemble"], found["selfcheck_mode"]) == (1, "off")
    assert "--sloppy" in found["notes"]
    sidecar = (sloppy.out / "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.json").read_text()
    assert '"sloppy": true' in sidecar
    assert "Made with --sloppy" in (sloppy.out / "sub-01.html").read_text()


def test_what_was_sloppy_is_done_anew(process, dataset, sloppy, tmp_path):
    shutil.copytree(sloppy.out, tmp_path / "out")
    options = ("--participant-label", "01", "--ensemble", "1", "--self-check", "off")
    outcome = process(dataset, tmp_path / "out", *options)
    assert outcome.status == 0 and not outcome.lines("complete already")
    assert "sloppy" not in record(outcome)["notes"]


def test_the_configuration_of_a_call_can_be_given_back(call_here, dataset, sloppy, tmp_path):
    (config,) = sloppy.out.glob("logs/*/config.toml")
    shutil.copytree(sloppy.out, tmp_path / "out")
    outcome = call_here(dataset, tmp_path / "out", "participant", "--config-file", config)
    assert outcome.status == 0
    assert outcome.lines("sub-01: complete already"), "the same settings"
    second = max((tmp_path / "out").glob("logs/*/config.toml"), key=lambda p: p.stat().st_mtime)
    assert second.read_text() == config.read_text()


def test_the_graph_is_drawn(sloppy):
    (dot,) = sloppy.out.glob("logs/*/graph.dot")
    assert "super_resolve" in dot.read_text()
    if shutil.which("dot"):
        assert list(sloppy.out.glob("logs/*/graph.svg"))


def test_without_graphviz_there_is_a_warning_and_the_text(process, dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    options = ("--write-graph", "--sloppy", "--participant-label", "01")
    outcome = process(dataset, tmp_path / "out", *options)
    assert outcome.status == 0, outcome.told
    assert outcome.lines("warning", "graph is not drawn", "graph.dot")
    assert list((tmp_path / "out").glob("logs/*/graph.dot"))


def test_a_bad_configuration_file_is_status_2(process, dataset, tmp_path):
    (tmp_path / "sr.toml").write_text("ensembel = 2\n")
    outcome = process(dataset, tmp_path / "out", "--config-file", tmp_path / "sr.toml")
    assert outcome.status == 2
    assert outcome.lines("bids-sr: error", "sr.toml", "ensembel", "Did you mean ensemble?")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_boilerplate_only_needs_no_torch_and_no_processing(dataset, model, tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys\nfrom bids_sr.app.main import main\nstatus = main(sys.argv[1:])\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else status)\n"
    )
    arguments = [dataset, out, "participant", "--boilerplate-only", "--model", model]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for subject in ("01", "02"):
        stem = out / f"sub-{subject}/figures/sub-{subject}_desc-methods"
        text = stem.with_suffix(".md").read_text()
        assert "factor of 2" in text and "from 2.00" in text and "4 rotations of each slice" in text
        assert "[Written before the run was processed" in text
        assert "As an internal validation" in text
        assert stem.with_suffix(".html").is_file() and "@" in stem.with_suffix(".bib").read_text()
    assert not list(out.rglob("*.nii.gz")) and not list(out.glob("*.html"))


def test_boilerplate_of_a_finished_run_is_that_of_its_record(call_here, model, sloppy, dataset):
    path = sloppy.out / "sub-01/figures/sub-01_desc-methods.md"
    before = path.read_text()
    path.unlink()
    outcome = call_here(
        dataset, sloppy.out, "participant", "--boilerplate-only", "--model", model,
        "--participant-label", "01", "--sloppy",
    )  # fmt: skip
    assert outcome.status == 0
    assert path.read_text() == before and "[Written before" not in before


def test_boilerplate_of_a_run_that_cannot_be_read(call_here, model, writers, tmp_path):
    bad = writers.write_dataset(tmp_path / "raw", ("01", "02"))
    (bad / "sub-01/dwi/sub-01_dwi.bvec").unlink()
    arguments = (bad, tmp_path / "out", "participant", "--boilerplate-only", "--model", model)
    outcome = call_here(*arguments)
    assert outcome.status == 1 and outcome.lines("sub-01", "bvec")
    assert list((tmp_path / "out").glob("sub-02/figures/*_desc-methods.md"))
    assert not list((tmp_path / "out").glob("sub-01/figures/*"))


def test_an_internal_error_is_status_70(process, dataset, tmp_path, monkeypatch):
    def stumble(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("bids_sr.app.participant.find_dwi", stumble)
    outcome = process(dataset, tmp_path / "out")
    assert outcome.status == 70 and outcome.lines("internal error (ZeroDivisionError")
