"""Runs are dealt out among GPUs, one step on each at a time; the devices are faked."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from unittest.mock import Mock

import attrs
import pytest
from nipype import Function, Node, Workflow

from bids_sr.errors import DeviceLostError
from bids_sr.superres.gpu_faults import lost
from bids_sr.workflow.execute import Execution, _has_pool, _pool
from bids_sr.workflow.failures import read_failure
from bids_sr.workflow.graph import build_run_workflow
from bids_sr.workflow.interface import Step
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.participant_pages import FAILED_WITH, PageWriter
from bids_sr.workflow.pool import Pool
from bids_sr.workflow.schedule import executable_graph

# as text: worker processes cannot import this module. A step tells what it got at its start and
# end; the first on each of two GPUs wait for each other (a pipe opens when somebody opens the
# other end), so that the test does not hang on how quick workers are.
COMPUTES = """
def f(x, device, use_gpu, folder, together):
    import json, os
    from pathlib import Path
    def tell():
        line = json.dumps({"step": x, "device": device, "pid": os.getpid()})
        with open(Path(folder, "told"), "a") as file:
            file.write(line + "\\n")
    tell()
    met = Path(folder, f"met-{device}")
    if together == 2 and not met.exists():
        met.touch()
        os.close(os.open(Path(folder, "pipe"), os.O_RDONLY if device[-1] == "0" else os.O_WRONLY))
    tell()
    return device
"""
DIES = "def f(x, device, use_gpu, folder, together):\n    import os\n    os.kill(os.getpid(), 9)\n"


# fails on one GPU or on all of them, as CUDA does: in this process nothing works any more
FAILS = """
def f(x, device, use_gpu, folder, together):
    import json, os
    from pathlib import Path
    pid, fails = os.getpid(), {fails!r}
    line = json.dumps({{"step": x, "device": device, "pid": pid}})
    with open(Path(folder, "told"), "a") as file:
        file.write((line + "\\n") * 2)
    lost = Path(folder, f"lost-{{pid}}")
    if lost.exists() or (x in fails.get("steps", ()) or device in fails.get("gpus", ())):
        if {error!r} != "out of memory":
            lost.touch()
        raise RuntimeError("CUDA error: {error}\\nCUDA kernel errors might ...\\nCompile with ...")
    return device
"""
ILLEGAL = "an illegal memory access was encountered"


def fails(error=ILLEGAL, **where):
    return FAILS.format(fails=where, error=error)


def workflow(folder, sources, *, cores=1, use_gpu=True, together=1):
    """Steps that do not depend on each other."""
    os.mkfifo(folder / "pipe")
    whole = Workflow("whole", base_dir=str(folder / "work"))
    for number, source in enumerate(sources):
        node = Node(
            Function(function=source, output_names=["x"]),
            name=f"step{number}",
            mem_gb=0.1,
            n_procs=cores,
        )
        given = {"x": number, "device": "", "use_gpu": use_gpu, "folder": str(folder)}
        node.inputs.trait_set(**given, together=together)
        whole.add_nodes([node])
    whole.config["execution"] = {"create_report": "false"}
    return whole


def told(folder):
    """What each step told, in the order of their starts, with the places of start and end."""
    steps = {}
    for place, line in enumerate((folder / "told").read_text().splitlines()):
        step = json.loads(line)
        steps.setdefault(step["step"], {**step, "start": place})["end"] = place
    assert all(step["start"] < step["end"] for step in steps.values())
    return list(steps.values())


def run(workflow, gpus, nprocs=8, **how):
    """Run steps; returns those that failed."""
    return list(run_told(workflow, gpus, nprocs, **how))


def run_told(workflow, gpus, nprocs=8, **how):
    """Run steps; returns why those failed that did."""
    failed = {}

    def take_note(node, status):
        if status == "exception":
            failed[node.name] = str(getattr(node, FAILED_WITH))

    Pool(nprocs, 100.0, Messages(), take_note, gpus, **how).process([executable_graph(workflow)])
    return failed


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 4])
def test_all_gpus_work_and_none_has_two_steps_or_processes(tmp_path, cores):
    gpus = ("cuda:0", "cuda:1")
    steps = workflow(tmp_path, [COMPUTES] * 5, cores=cores, together=2)
    assert not run(steps, gpus)
    found = told(tmp_path)
    assert len(found) == 5 and {step["device"] for step in found} == set(gpus)
    for gpu in gpus:
        here = [step for step in found if step["device"] == gpu]
        assert len({step["pid"] for step in here}) == 1
        assert all(a["end"] < b["start"] for a, b in pairwise(here))
    assert len({step["pid"] for step in found}) == 2


@pytest.mark.slow
def test_without_names_one_step_at_a_time_on_the_device_it_was_planned_for(tmp_path):
    assert not run(workflow(tmp_path, [COMPUTES] * 3), ())
    found = told(tmp_path)
    assert [step["device"] for step in found] == ["", "", ""]
    assert all(a["end"] < b["start"] for a, b in pairwise(found))


@pytest.mark.slow
def test_other_steps_get_no_gpu(tmp_path):
    assert not run(workflow(tmp_path, [COMPUTES] * 2, use_gpu=False), ("cuda:0",), 2)
    assert [step["device"] for step in told(tmp_path)] == ["", ""]


@pytest.mark.slow
def test_a_killed_worker_frees_its_gpu(tmp_path):
    steps = workflow(tmp_path, [DIES, COMPUTES, COMPUTES])
    assert run(steps, ("cuda:0",)) == ["step0"]
    assert [step["device"] for step in told(tmp_path)] == ["cuda:0", "cuda:0"]


@pytest.mark.slow
def test_a_killed_worker_takes_no_step_of_another_gpu_along(tmp_path):
    """Of four steps that die, each takes itself along alone."""
    steps = workflow(tmp_path, [DIES, COMPUTES, DIES, COMPUTES, COMPUTES, DIES])
    assert sorted(run(steps, ("cuda:0", "cuda:1"))) == ["step0", "step2", "step5"]
    assert len(told(tmp_path)) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        ILLEGAL,
        "device-side assert triggered",
        "uncorrectable ECC error encountered",
        "unspecified launch failure",
    ],
)
def test_what_a_gpu_that_fails_had_is_computed_by_another(tmp_path, caplog, error):
    steps = workflow(tmp_path, [fails(error, gpus=["cuda:0"])] * 4)
    assert not run(steps, ("cuda:0", "cuda:1"))
    found = read(tmp_path)
    assert [step["device"] for step in found].count("cuda:0") == 1
    assert {step["step"] for step in found if step["device"] == "cuda:1"} == {0, 1, 2, 3}
    assert f"cuda:0 failed (CUDA error: {error}). step0 is computed again on cuda:1." in caplog.text


@pytest.mark.slow
def test_a_step_that_fails_every_gpu_fails_alone(tmp_path):
    steps = workflow(tmp_path, [fails(steps=[1])] * 6)
    told = run_told(steps, ("cuda:0", "cuda:1"))
    assert list(told) == ["step1"]
    assert f"failed (CUDA error: {ILLEGAL})" in told["step1"] and "nvidia-smi" in told["step1"]
    found = read(tmp_path)
    tries = [step for step in found if step["step"] == 1]
    assert {step["device"] for step in tries} == {"cuda:0", "cuda:1"} and len(tries) == 2
    assert len(found) == 7
    for each in tries:  # their processes did nothing any more
        assert [s["step"] for s in found if s["pid"] == each["pid"]][-1] == 1


@pytest.mark.slow
def test_the_only_gpu_goes_on_in_a_new_process(tmp_path):
    steps = workflow(tmp_path, [fails(steps=[0])] * 3)
    assert run(steps, ("cuda:0",)) == ["step0"]
    found = read(tmp_path)
    assert [step["step"] for step in found] == [0, 1, 2]
    assert found[0]["pid"] != found[1]["pid"] == found[2]["pid"]


@pytest.mark.slow
def test_when_no_gpu_is_left_the_rest_fails_at_once_or_is_computed_on_the_cpu(tmp_path):
    for number, instead in enumerate((False, True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        steps = workflow(folder, [fails(gpus=["cuda:0"])] * 5)
        told = run_told(steps, ("cuda:0",), cpu_instead=instead)
        found = [step["device"] for step in read(folder)]
        if instead:
            assert not told and sorted(found) == ["cpu"] * 5 + ["cuda:0"] * 2
        else:
            assert len(told) == 5 and found == ["cuda:0"] * 2
            assert "no GPU is left" in told["step4"] and "--device cpu" in told["step4"]


@pytest.mark.slow
def test_short_memory_costs_no_gpu(tmp_path):
    steps = workflow(tmp_path, [fails("out of memory", steps=[0])] * 3)
    assert run(steps, ("cuda:0", "cuda:1"), 1) == ["step0"]
    assert [step["device"] for step in read(tmp_path)] == ["cuda:0"] * 3


def test_a_step_is_not_given_back_to_the_gpu_that_failed_with_it():
    """Even if that has a second chance with others."""
    pool = Pool(4, 100.0, Messages(), lambda *_: None, ("cuda:0", "cuda:1"))
    step = Mock()
    pool._failed_in_a_row.update({"cuda:0": 1, "cuda:1": 1})
    assert pool._allowed(step) == ["cuda:0", "cuda:1"]
    pool._failed_on[step] = "cuda:0"
    assert pool._free_gpu(step) == "cuda:1" and pool._needs_gpu(step)
    pool._failed_in_a_row["cuda:1"] = 2
    assert not pool._allowed(step)


def read(folder):
    """What each try of a step told."""
    lines = (folder / "told").read_text().splitlines()
    return [json.loads(line) for line in lines[::2]]


def test_the_pool_gets_the_gpus(plan, tmp_path):
    how = Execution(tmp_path, tmp_path, nprocs=4, gpus=("cuda:0", "cuda:1"))
    assert _pool(how, PageWriter(plan.names.out_dir, [plan])).gpus == ("cuda:0", "cuda:1")


def test_multiproc_in_a_plugin_file_is_our_pool(plan, tmp_path):
    given = {"plugin": "MultiProc", "plugin_args": {"n_procs": 3, "memory_gb": 4}}
    how = Execution(tmp_path, tmp_path, nprocs=1, plugin=given, gpus=("cuda:0",))
    assert _has_pool(how)
    pool = _pool(how, PageWriter(plan.names.out_dir, [plan]))
    assert (pool.nprocs, pool.memory_gb, pool.gpus) == (3, 4, ("cuda:0",))


def test_a_step_computes_on_the_gpu_that_was_lent_to_it(plan, tmp_path):
    planned = attrs.evolve(plan, options=attrs.evolve(plan.options, device="cuda:0"))
    step = Step(lambda plan: plan.options.device, plan=planned, state="s", use_gpu=True)
    as_planned = step.inputs.get_hashval()[1]
    assert step.run(cwd=str(tmp_path)).outputs.value == "cuda:0"
    step.inputs.device = "cuda:3"
    assert step.run(cwd=str(tmp_path)).outputs.value == "cuda:3"
    assert planned.options.device == "cuda:0"
    assert step.inputs.get_hashval()[1] == as_planned, "another GPU repeats no step"


def test_a_gpu_that_failed_is_told_by_whom_it_concerns(plan, tmp_path):
    """A step of the pool may be repeated: nothing is recorded yet. Others record it themselves."""

    def fail(plan):
        raise lost("cuda:0", "CUDA error: unspecified launch failure")

    step = Step(fail, plan=plan, state="s", use_gpu=True)
    step.inputs.device = "cuda:0"
    with pytest.raises(DeviceLostError):
        step.run(cwd=str(tmp_path))
    assert step.failure is None and read_failure(plan) is None
    alone = Step(fail, plan=plan, state="s", use_gpu=True)
    with pytest.raises(DeviceLostError):
        alone.run(cwd=str(tmp_path))
    assert "cuda:0 failed (CUDA error: unspecified" in read_failure(plan).message


def test_network_steps_share_the_cores(make_plans, tmp_path):
    (plan,) = make_plans("01", device="cuda:0", threads=4, network_threads=2)
    cores = {n.name: n.n_procs for n in build_run_workflow(plan, tmp_path)._graph.nodes()}
    assert cores["super_resolve"] == cores["self_check"] == 2
    assert cores["fit_tensor"] == 4
