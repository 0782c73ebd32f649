"""The start and the end of the log: what is to be done with what, and what came of each run."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from attrs import evolve

from bids_sr.app.parser import parse_arguments
from bids_sr.app.run_log import tell_end, tell_resources, tell_start
from bids_sr.app.settings import make_settings
from bids_sr.bids.finding import find_dwi
from bids_sr.networks.registry import load_card
from bids_sr.workflow.failures import Failure
from bids_sr.workflow.plan import RunOptions, make_plan


@pytest.fixture
def dataset(make_dataset):
    return make_dataset("01", "02", "03")


@pytest.fixture
def settings(dataset, tmp_path):
    """A function that makes the settings of a call."""

    def make(*options):
        call = [str(dataset), str(tmp_path / "out"), "participant", *options]
        return make_settings(parse_arguments(call))

    return make


@pytest.fixture
def plans(dataset, tiny_model, tmp_path):
    options = RunOptions(card=load_card(str(tiny_model), 2))
    return [make_plan(files, tmp_path / "out", options) for files in find_dwi(dataset)]


@pytest.fixture(autouse=True)
def everything(caplog):
    caplog.set_level(logging.INFO, "bids_sr")


def test_the_start_counts_runs_and_names_the_network(settings, plans, dataset, caplog):
    options, found = plans[0].options, [plan.files for plan in plans]
    tell_start(settings(), options, ["cuda:0", "cuda:1"], [*found, found[0]])
    first, second = caplog.messages
    assert first.endswith(f": 4 runs of 3 participants in {dataset}")
    assert second == "Network tiny (factor 2) on cuda:0, cuda:1"


def test_memory_cores_and_work_folder(settings, tmp_path, caplog):
    asked = settings("--mem-mb", "6000", "--nprocs", "4", "--omp-nthreads", "2")
    tell_resources(asked, 4, 3, Path("/scratch/x"))
    assert caplog.messages == [
        "3 runs to process on 4 cores, 2 for each step, at most 6.0 GB of memory",
        "Work folder: /scratch/x (removed at the end; -w DIR keeps one)",
    ]
    caplog.clear()
    tell_resources(settings("-w", str(tmp_path / "w")), 1, 1, tmp_path / "w")
    assert "1 run to process on 1 core, 1 for each step" in caplog.messages[0]
    assert caplog.messages[1].endswith("(kept)")


def test_another_plugin_has_cores_and_memory_of_its_own(settings, caplog):
    asked = evolve(settings(), plugin={"plugin": "SLURM"}, threads=2, memory_gb=None)
    tell_resources(asked, 8, 1, Path("/scratch/x"))
    tell_resources(evolve(asked, memory_gb=4.0), 8, 1, Path("/scratch/x"))
    assert caplog.messages[0] == "1 run to process on nipype's SLURM, 2 cores a step"
    assert caplog.messages[2].endswith("SLURM, 2 cores a step, at most 4.0 GB of memory each")


def test_nothing_to_do_needs_nothing(settings, caplog):
    tell_resources(settings(), 4, 0, Path("/scratch/x"))
    assert not caplog.messages


def test_the_end_is_a_line_for_each_run(plans, caplog):
    record = {
        "selfcheck_verdict": "helped",
        "selfcheck_psnr_dwi_network": 31.1,
        "selfcheck_psnr_dwi_cubic": 30.0,
    }
    for plan, verdict in ((plans[0], "x correct"), (plans[2], "y flipped")):
        plan.names.quality.parent.mkdir(parents=True)
        known = record | ({"gradients_verdict": verdict} if "flipped" in verdict else {})
        plan.names.quality.write_text(json.dumps(known))
    crash = "logs/crash-1_sub-02_mask.txt"
    tell_end(plans, plans[1:], [Failure("sub-02", "mask", "odd", crash)])
    levels = [record.levelname for record in caplog.records]
    assert caplog.messages == [
        f"2 of 3 runs done (1 now, 1 before) in {plans[0].names.out_dir}",
        "sub-01: helped (+1.1 dB)",
        f"sub-02: failed ({crash})",
        "sub-03: helped (+1.1 dB); check the gradient table",
    ]
    # the error itself was told when it happened
    assert levels == ["INFO", "INFO", "INFO", "WARNING"]


def test_a_record_that_cannot_be_read_is_no_verdict(plans, caplog):
    tell_end(plans[:1], [], [])
    assert caplog.messages[-1] == "sub-01: its record cannot be read"
