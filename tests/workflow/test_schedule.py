"""Many runs are open a few at a time; what fails, fails alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nipype import Function, Node, Workflow
from nipype.interfaces.base import traits

from bids_sr.workflow.messages import Messages
from bids_sr.workflow.pool import Pool
from bids_sr.workflow.schedule import executable_graph, runs_at_once

# as text: worker processes cannot import this module
FAILS = "def f(x):\n    raise ValueError('odd')\n"
WORKS = "def f(x):\n    return x\n"
STEPS = ("first", "second", "third")


def chain(plan, folder):
    """A run of three steps, the first as its plan says."""
    name = plan.label.replace("-", "_")
    flow, before = Workflow(name, base_dir=str(folder)), None
    for step in STEPS:
        source = plan.source if step == "first" else WORKS
        node = Node(Function(function=source, output_names=["x"]), name=step, mem_gb=0.1)
        node.inputs.add_trait("plan", traits.Any())
        node.inputs.plan = plan
        node.inputs.add_trait("rank", traits.Int())
        node.inputs.rank = STEPS.index(step)
        if before is None:
            node.inputs.x = 0
            flow.add_nodes([node])
        else:
            flow.connect(before, "x", node, "x")
        before = node
    return flow


@pytest.fixture
def process(tmp_path):
    """Process runs of these sources, at most so many at a time; what was said of each step."""

    def go(*sources, at_once=2, stop=False):
        said, made, over = [], [], set()
        plans = [SimpleNamespace(label=f"sub-{i}", source=text) for i, text in enumerate(sources)]

        def graphs():
            for plan in plans:
                made.append(len(made) - len(over))
                yield executable_graph(chain(plan, tmp_path))

        def take_note(node, status):
            said.append((node.inputs.plan.label, node.name, status))
            if status == "exception" or (status, node.name) == ("end", STEPS[-1]):
                over.add(node.inputs.plan.label)

        pool = Pool(1, 100.0, Messages(), take_note, stop_on_first_crash=stop)
        pool.process(graphs(), at_once)
        return said, made

    return go


def ended(said):
    return {(label, step) for label, step, status in said if status == "end"}


@pytest.mark.slow
def test_a_run_is_made_when_another_is_over(process):
    said, open_before = process(*[WORKS] * 7, at_once=2)
    assert ended(said) == {(f"sub-{i}", step) for i in range(7) for step in STEPS}
    assert open_before == [0, 1, 1, 1, 1, 1, 1]


@pytest.mark.slow
def test_steps_of_a_run_that_came_later_keep_their_order(process):
    said, _ = process(*[WORKS] * 4, at_once=1)
    order = [(label, step) for label, step, status in said if status == "end"]
    assert order == [(f"sub-{i}", step) for i in range(4) for step in STEPS]


@pytest.mark.slow
def test_first_come_first_served_and_what_was_begun_is_finished_first(process):
    said, _ = process(*[WORKS] * 6, at_once=3)
    begun = [(label, step) for label, step, status in said if status == "start"]
    assert begun == [(f"sub-{i}", step) for i in range(6) for step in STEPS]


@pytest.mark.slow
def test_a_failed_run_gives_its_place_to_the_next(process):
    said, _ = process(WORKS, FAILS, FAILS, WORKS, WORKS, at_once=2)
    assert ended(said) == {(f"sub-{i}", step) for i in (0, 3, 4) for step in STEPS}
    failed = [entry[:2] for entry in said if entry[2] == "exception"]
    assert sorted(failed) == [("sub-1", "first"), ("sub-2", "first")]


@pytest.mark.slow
def test_after_the_first_crash_none_is_begun_if_so_asked(process):
    said, _ = process(FAILS, WORKS, WORKS, WORKS, at_once=1, stop=True)
    assert [entry[1:] for entry in said] == [("first", "start"), ("first", "exception")]


@pytest.mark.slow
def test_what_an_earlier_call_made_is_not_run_again(process):
    process(WORKS, WORKS)
    said, _ = process(WORKS, WORKS)
    assert ended(said) == {(f"sub-{i}", step) for i in range(2) for step in STEPS}
    assert not [entry for entry in said if entry[2] == "start"]


@pytest.mark.parametrize("nprocs", [2, 5, 64])
def test_there_are_always_more_runs_than_cores(nprocs):
    assert runs_at_once(nprocs) > nprocs
