"""Sparing memory, keeping to a limit, watching what is taken: the images stay the same."""

from __future__ import annotations

import csv
import json

import pytest

from bids_sr.workflow.graph import _parts
from bids_sr.workflow.memory import PARENT_GB

TIMES = {"batch_size", "peak_memory_gb", "slices_per_second", "version"}


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("memory") / "raw", ("01",))


@pytest.fixture(scope="module")
def usual(process, dataset, tmp_path_factory):
    """The outcome of a call without any of these options."""
    return process(dataset, tmp_path_factory.mktemp("usual"), "--uncertainty", "-v")


def results(out):
    """Every file of the run that is no page or record, and the record without times."""
    kept = {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.name.endswith((".nii.gz", ".bval", ".bvec", ".png", "dwi.json", "dwimap.json"))
        and "manifest" not in path.name  # of the record, too, which holds times
    }
    record = json.loads((out / "sub-01/dwi/sub-01_res-x2_desc-sr_quality.json").read_text())
    metrics = {k: v for k, v in record.items() if k not in TIMES and "seconds" not in k}
    return kept, metrics


def test_low_mem_gives_the_same_bit_by_bit(process, dataset, usual, tmp_path):
    out = tmp_path / "out"
    outcome = process(dataset, out, "--uncertainty", "--low-mem", "-w", tmp_path / "work")
    assert outcome.status == usual.status == 0, outcome.told
    (files, metrics), (expected, expected_metrics) = results(out), results(usual.out)
    assert len(expected) > 40 and files.keys() == expected.keys()
    assert [name for name in files if files[name] != expected[name]] == []
    assert metrics == expected_metrics
    record = json.loads((out / "sub-01/dwi/sub-01_res-x2_desc-sr_quality.json").read_text())
    assert record["batch_size"] == 2, "it did spare memory"
    again = process(dataset, out, "--uncertainty")
    assert again.lines("complete already"), "how it was computed does not count"


def test_a_run_that_does_not_fit_fails_before_it_begins(process, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("bids_sr.workflow.memory.BASE_GB", 3.0)
    outcome = process(dataset, tmp_path / "out", "--mem-mb", "2G")
    assert outcome.status == 1
    assert outcome.lines("sub-01", "GB of memory (step", "2.0 GB are left", "Give it more")
    assert not list((tmp_path / "out").rglob("*.nii.gz"))
    assert "GB of memory" in (tmp_path / "out/sub-01.html").read_text()


def test_too_little_for_steps_side_by_side_means_one_at_a_time(process, dataset, tmp_path):
    limit = f"{1000 * (PARENT_GB + 0.3):.0f}"
    cores = ("--nprocs", "3", "--omp-nthreads", "1")
    outcome = process(dataset, tmp_path / "out", *cores, "--mem-mb", limit)
    assert outcome.status == 0, outcome.told
    assert outcome.lines("too little for parallel steps")


@pytest.mark.parametrize("cores", ["1", "2"])
def test_the_resource_monitor_tells_of_every_step(process, dataset, tmp_path, cores):
    from bids_sr.bids.finding import find_dwi
    from bids_sr.networks.registry import load_card
    from bids_sr.workflow.plan import RunOptions, make_plan

    options = ("--resource-monitor", "--nprocs", cores, "--sloppy")
    outcome = process(dataset, tmp_path / "out", *options)
    assert outcome.status == 0, outcome.told
    (path,) = (tmp_path / "out").glob("logs/*/resources.tsv")
    with path.open(newline="") as file:
        rows = {row["step"]: row for row in csv.DictReader(file, delimiter="\t")}
    plan = make_plan(find_dwi(dataset)[0], tmp_path, RunOptions(load_card(None, 2)))
    assert set(rows) == set(_parts(plan, tmp_path))
    for row in rows.values():
        assert row["run"] == "sub-01"
        assert 0.03 < float(row["peak_gb"]) < 4
        assert 0 <= float(row["cpu_seconds"]) < 600 and 0 <= float(row["seconds"]) < 600
    assert float(rows["super_resolve"]["cpu_seconds"]) > 0
    assert float(rows["compute_metrics"]["peak_gb"]) > 0.2, "it has torch and dipy in it"
    assert outcome.lines("sub-01: peak memory", "super_resolve", "draw")
