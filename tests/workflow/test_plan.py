"""The fingerprint changes with what changes the output, and with nothing else."""

from __future__ import annotations

import os
import pickle
import shutil
from types import SimpleNamespace

import pytest
from attrs import evolve

from bids_sr.bids.finding import find_dwi
from bids_sr.workflow.plan import fingerprint


def test_same_input_same_fingerprint(make_plans):
    assert make_plans("01")[0].fingerprint == make_plans("01")[0].fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"slice_axis": 0},
        {"data_consistency": False},
        {"ensemble": 1},
        {"uncertainty": True},
        {"precision": "float32"},
        {"precision": "bfloat16"},
    ],
)
def test_settings_that_change_the_output_count(make_plans, change):
    assert make_plans("01")[0].fingerprint != make_plans("01", **change)[0].fingerprint


@pytest.mark.parametrize(
    "change", [{"device": "cuda:0"}, {"threads": 7}, {"batch_size": 3}, {"self_check": "off"}]
)
def test_what_leaves_the_images_as_they_are_does_not_count(make_plans, change):
    assert make_plans("01")[0].fingerprint == make_plans("01", **change)[0].fingerprint


def test_weights_count(plan):
    other = evolve(plan.options, card=evolve(plan.options.card, sha256="0" * 64))
    assert fingerprint(plan.files, other) != plan.fingerprint


@pytest.mark.parametrize("extension", [".nii.gz", ".bval", ".bvec"])
def test_a_changed_file_counts(plan, extension):
    path = plan.files.dwi.with_name(f"{plan.label}_dwi{extension}")
    os.utime(path, ns=(0, 12345))
    assert fingerprint(plan.files, plan.options) != plan.fingerprint


def test_metadata_count(plan):
    files = evolve(plan.files, sidecar={**plan.files.sidecar, "SliceEncodingDirection": "i"})
    assert fingerprint(files, plan.options) != plan.fingerprint


def test_where_the_dataset_is_mounted_does_not_count(plan, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(plan.files.dataset_root, moved)  # with times
    (files,) = find_dwi(moved)
    assert fingerprint(files, plan.options) == plan.fingerprint


def test_a_missing_file_is_no_reason_to_fail_here(plan):
    plan.files.dwi.unlink()
    assert fingerprint(plan.files, plan.options) != plan.fingerprint


def test_plans_travel_to_other_processes(plan):
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_a_run_goes_on_in_the_precision_that_it_was_begun_in(plan, monkeypatch, tmp_path):
    """Ensemble members that are gone are made again as the series was, be it on another CPU."""
    from bids_sr.superres import engine
    from bids_sr.workflow import steps

    asked = []

    def fake(run, card, out, *, precision, **_):
        asked.append(precision)
        for path in (out, tmp_path / "again_sd.nii.gz"):
            path.touch()

    monkeypatch.setattr(engine, "super_resolve", fake)
    monkeypatch.setattr(steps, "evolve", lambda result, **_: result)
    options = evolve(plan.options, uncertainty=True, ensemble=8)
    whole = evolve(plan, options=options)
    made = SimpleNamespace(run=steps.read(whole), ensemble_sd=None, precision="bfloat16")
    steps._with_members(whole, made, tmp_path)
    assert asked == ["bfloat16"]
