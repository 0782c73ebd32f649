"""The graph has the steps in their order, with what they cost."""

from __future__ import annotations

import inspect
import re
from itertools import product

import pytest

from bids_sr.bids.names import sidecar_of
from bids_sr.workflow import steps
from bids_sr.workflow.graph import _run_name, build_run_workflow, build_workflow
from bids_sr.workflow.interface import _ARGUMENTS, Step, StepInputs

EDGES = {
    ("read", "undo_filling"),
    ("undo_filling", "check_gradients"),
    ("check_gradients", "super_resolve"),
    ("check_gradients", "describe"),
    ("check_gradients", "compute_metrics"),
    ("check_gradients", "draw"),
    ("super_resolve", "describe"),
    ("super_resolve", "mask"),
    ("mask", "fit_input"),
    ("mask", "fit_tensor"),
    ("mask", "fit_gqi"),
    ("mask", "fit_input_gqi"),
    ("fit_input_gqi", "compute_metrics"),
    ("fit_gqi", "compute_metrics"),
    ("mask", "ensemble_sd"),
    ("super_resolve", "ensemble_sd"),
    ("super_resolve", "self_check"),
    ("mask", "self_check"),
    ("self_check", "compute_metrics"),
    ("ensemble_sd", "compute_metrics"),
    ("ensemble_sd", "draw"),
    ("describe", "compute_metrics"),
    ("fit_tensor", "compute_metrics"),
    ("fit_input", "compute_metrics"),
    ("compute_metrics", "draw"),
    ("fit_gqi", "draw"),
}


@pytest.fixture
def workflow(plan, tmp_path):
    return build_run_workflow(plan, tmp_path / "work")


def nodes(workflow):
    return {node.name: node for node in workflow._graph.nodes()}


def test_order_of_the_steps(workflow):
    edges = {(a.name, b.name) for a, b in workflow._graph.edges()}
    assert edges >= EDGES
    assert set(nodes(workflow)) == {name for edge in EDGES for name in edge}


def test_every_argument_of_a_step_is_connected(workflow):
    for name, node in nodes(workflow).items():
        wanted = set(inspect.signature(getattr(steps, name)).parameters) - {"plan", "folder"}
        connected = {
            field
            for edge in workflow._graph.in_edges(node, data=True)
            for _, field in edge[2]["connect"]
        }
        assert connected == wanted, name


def test_inputs_of_the_interface_are_the_arguments_of_the_steps():
    assert set(_ARGUMENTS) <= set(StepInputs().copyable_trait_names())


def test_only_the_network_asks_for_the_gpu(make_plans, tmp_path):
    (plan,) = make_plans("01", device="cuda:0")
    found = nodes(build_run_workflow(plan, tmp_path / "work"))
    assert [name for name, node in found.items() if node.is_gpu_node()] == [
        "super_resolve",
        "self_check",
    ]


def test_nothing_asks_for_a_gpu_on_the_cpu(workflow):
    assert not any(node.is_gpu_node() for node in nodes(workflow).values())


def test_threads_and_memory(make_plans, tmp_path):
    (plan,) = make_plans("01", threads=3)
    found = nodes(build_run_workflow(plan, tmp_path / "work"))
    assert found["super_resolve"].n_procs == found["fit_tensor"].n_procs == 3
    assert found["read"].n_procs == found["compute_metrics"].n_procs == 1
    assert all(node.mem_gb >= 0.5 for node in found.values())


def test_another_self_check_is_made_anew_and_nothing_before_it(make_plans, tmp_path):
    one, other = (
        nodes(build_run_workflow(make_plans("01", self_check=mode)[0], tmp_path / "work"))
        for mode in ("auto", "full")
    )
    changed = {name for name in one if one[name].inputs.state != other[name].inputs.state}
    assert changed == {"self_check"}


def test_copies_take_memory(make_plans, tmp_path):
    found = [
        nodes(build_run_workflow(make_plans("01", **options)[0], tmp_path / "work"))
        for options in ({}, {"ensemble": 8, "uncertainty": True})
    ]
    assert found[1]["super_resolve"].mem_gb >= found[0]["super_resolve"].mem_gb
    assert not found[0]["ensemble_sd"].interface._writes
    assert len(found[1]["ensemble_sd"].interface._writes) == 5


def test_runs_do_not_depend_on_each_other(make_plans, tmp_path):
    whole = build_workflow(make_plans("01", "02"), tmp_path / "work")
    runs = list(whole._graph.nodes())
    assert {run.name for run in runs} == {"sub_01", "sub_02"}
    assert not list(whole._graph.edges())


def test_an_unreadable_run_can_still_be_planned(plan, tmp_path):
    plan.files.dwi.write_bytes(b"no image")
    assert nodes(build_run_workflow(plan, tmp_path / "work"))


def test_an_interface_hands_over_what_is_connected(plan, tmp_path):
    step = Step(steps.read, plan=plan)
    outcome = step.run(cwd=str(tmp_path))
    assert outcome.outputs.value.shape[3] == 17


def test_a_step_that_fails_leaves_a_record(plan, tmp_path):
    plan.files.bvec.unlink()
    with pytest.raises(Exception, match="bvec"):
        Step(steps.read, plan=plan).run(cwd=str(tmp_path))
    assert "bvec" in plan.names.error.read_text()


def test_a_step_vouches_for_the_sidecars_of_its_maps_too(plan, tmp_path):
    written = build_run_workflow(plan, tmp_path).get_node("fit_tensor").interface._writes
    assert plan.names.tensor("fa") in written
    assert sidecar_of(plan.names.tensor("fa")) in written


def test_two_labels_are_two_folders():
    pieces = ("a", "b", "plus", "a+b", "+", "++", "a+", "+b", "aplusb")
    labels = [f"sub-{a}" for a in pieces]
    labels += [f"sub-{a}_{key}-{b}" for a, key, b in product(pieces, ("acq", "plus"), pieces)]
    names = [_run_name(label) for label in labels]
    assert len(set(names)) == len(labels)
    assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in names)
