"""Many runs go through nipype a few at a time; what fails, fails alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nipype import Function, Node, Workflow
from nipype.interfaces.base import traits

from bids_sr.workflow import feeding
from bids_sr.workflow.feeding import FedPoolPlugin, window
from bids_sr.workflow.messages import Messages

# as text: worker processes cannot import this module
FAILS = "def f(x):\n    raise ValueError('odd')\n"
WORKS = "def f(x):\n    return x\n"
STEPS = ("first", "second", "third")


def chain(plan, folder):
    """A run of three steps, the first as its plan says."""
    name = plan.label.replace("-", "_")
    flow, before = Workflow(name), None
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


def build(plans, folder, monitor=None):
    whole = Workflow("whole", base_dir=str(folder))
    whole.config["execution"] = {
        "crashdump_dir": str(folder / "crashes"),
        "poll_sleep_duration": "0.05",
        "create_report": "false",
    }
    whole.add_nodes([chain(plan, folder) for plan in plans])
    return whole


@pytest.fixture
def process(tmp_path, monkeypatch):
    """Process runs of these sources, at most so many at a time; what was said of each step."""
    monkeypatch.setattr(feeding, "build_workflow", build)

    def go(*sources, at_once=2, stop=False):
        said, known = [], []
        plans = [SimpleNamespace(label=f"sub-{i}", source=text) for i, text in enumerate(sources)]

        def take_note(node, status):
            said.append((node.inputs.plan.label, node.name, status))
            known.append((len(plugin.procs), plugin.depidx.shape[0]))

        plugin = FedPoolPlugin(
            {"n_procs": 1, "raise_insufficient": False, "status_callback": take_note},
            Messages(),
            waiting=plans[at_once:],
            work_dir=tmp_path,
        )
        workflow = build(plans[:at_once], tmp_path)
        workflow.config["execution"]["stop_on_first_crash"] = str(stop).lower()
        if any(text == FAILS for text in sources):
            with pytest.raises(Exception):  # noqa: B017 - nipype wraps what was raised
                workflow.run(plugin=plugin)
        else:
            workflow.run(plugin=plugin)
        return said, known

    return go


def ended(said):
    return {(label, step) for label, step, status in said if status == "end"}


def test_every_run_gets_its_turn_in_the_places_of_others(process):
    said, known = process(*[WORKS] * 7, at_once=2)
    assert ended(said) == {(f"sub-{i}", step) for i in range(7) for step in STEPS}
    # nipype never knew of more than two runs
    assert set(known) == {(2 * len(STEPS), 2 * len(STEPS))}


def test_steps_of_a_run_that_came_later_keep_their_order(process):
    said, _ = process(*[WORKS] * 4, at_once=1)
    order = [(label, step) for label, step, status in said if status == "end"]
    assert order == [(f"sub-{i}", step) for i in range(4) for step in STEPS]


def test_first_come_first_served(process):
    said, _ = process(*[WORKS] * 6, at_once=3)
    begun = [label for label, step, status in said if (step, status) == ("first", "start")]
    assert begun == [f"sub-{i}" for i in range(6)]


def test_a_failed_run_gives_its_place_to_the_next(process):
    said, _ = process(WORKS, FAILS, FAILS, WORKS, WORKS, at_once=2)
    assert ended(said) == {(f"sub-{i}", step) for i in (0, 3, 4) for step in STEPS}
    failed = [entry[:2] for entry in said if entry[2] == "exception"]
    assert sorted(failed) == [("sub-1", "first"), ("sub-2", "first")]


def test_after_the_first_crash_none_is_taken_in_if_so_asked(process):
    said, _ = process(FAILS, WORKS, WORKS, WORKS, at_once=1, stop=True)
    assert not ended(said)


@pytest.mark.parametrize("nprocs", [2, 5, 64])
def test_there_are_always_more_runs_than_cores(nprocs):
    assert window(nprocs) > nprocs
