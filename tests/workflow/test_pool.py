"""The pool survives the death of a worker, and does not outlive its parent."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from nipype import Function, Node, Workflow

from bids_sr.workflow import pool as module
from bids_sr.workflow.memory import BASE_GB, PARENT_GB
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.participant_pages import FAILED_WITH
from bids_sr.workflow.pool import Pool
from bids_sr.workflow.schedule import executable_graph

# as text: worker processes cannot import this module
DIES = "def f(x):\n    import os\n    os.kill(os.getpid(), 9)\n"
FAILS = "def f(x):\n    raise ValueError('odd')\n"
WORKS = "def f(x):\n    import os\n    return os.getpid()\n"


def workflow(folder, *sources):
    """Independent chains of two nodes: the given one, then one that works."""
    whole = Workflow("whole", base_dir=str(folder))
    for number, source in enumerate(sources):
        pair = [
            Node(Function(function=text, output_names=["x"]), name=f"{name}{number}", mem_gb=0.1)
            for name, text in (("first", source), ("second", WORKS))
        ]
        pair[0].inputs.x = number
        whole.connect(pair[0], "x", pair[1], "x")
    whole.config["execution"] = {"create_report": "false"}
    return whole


@pytest.fixture
def run(tmp_path):
    """Run chains in a pool of one worker; returns what became of the nodes."""

    def go(*sources):
        said = []
        pool = Pool(1, 4.0, Messages(), lambda node, status: said.append((node.name, status)))
        pool.process([executable_graph(workflow(tmp_path, *sources))])
        return said

    return go


@pytest.mark.slow
def test_all_works(run):
    said = run(WORKS, WORKS)
    assert {name for name, status in said if status == "end"} == {
        "first0",
        "first1",
        "second0",
        "second1",
    }


@pytest.mark.slow
def test_a_failure_stops_its_own_chain_only(run):
    said = run(FAILS, WORKS)
    assert ("first0", "exception") in said and ("second1", "end") in said
    assert not any(name == "second0" for name, _ in said)


@pytest.mark.slow
def test_a_killed_worker_is_a_failure_and_the_rest_goes_on(run):
    said = run(DIES, WORKS)
    assert ("first0", "exception") in said and ("second1", "end") in said


@pytest.mark.slow
def test_a_killed_worker_takes_no_other_step_along(tmp_path):
    """The step beside it waits until it has died, and then ends well."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    waits = f"def f(x):\n    return open({str(pipe)!r}).read()\n"
    said = []

    def take_note(node, status):
        said.append((node.name, status))
        if status == "exception":
            pipe.write_text("died")

    graph = executable_graph(workflow(tmp_path / "work", DIES, waits))
    Pool(2, 100.0, Messages(), take_note).process([graph])
    assert ("first0", "exception") in said and ("second1", "end") in said


@pytest.mark.slow
def test_a_worker_that_was_killed_while_it_waited_is_replaced(tmp_path):
    said = []

    def take_note(node, status):
        said.append((node.name, status))
        if (node.name, status) == ("first0", "end"):
            (worker,) = pool._workers
            worker._process.kill()
            worker._process.join()

    pool = Pool(1, 4.0, Messages(), take_note)
    pool.process([executable_graph(workflow(tmp_path, WORKS))])
    assert ("second0", "end") in said


@pytest.mark.slow
def test_a_step_that_cannot_be_handed_over_fails_alone(tmp_path):
    said = []
    pool = Pool(1, 4.0, Messages(), lambda node, status: said.append((node, status)))
    graph = executable_graph(workflow(tmp_path, WORKS, WORKS))
    first = next(node for node in graph if node.name == "first0")
    first.inputs.x = threading.Lock()
    pool.process([graph])
    assert (first, "exception") in said and "pickle" in getattr(first, FAILED_WITH)
    assert "second1" in [node.name for node, status in said if status == "end"]


SCRIPT = """
from nipype import Function, Node, Workflow
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.pool import Pool
from bids_sr.workflow.schedule import executable_graph

NEVER_ENDS = '''
def f(x):
    import os, signal
    with open(x, "w") as pipe:
        pipe.write(str(os.getpid()))
    signal.pause()
'''
if __name__ == "__main__":
    whole = Workflow("whole", base_dir={folder!r})
    node = Node(Function(function=NEVER_ENDS, output_names=["x"]), name="never_ends")
    node.inputs.x = {pipe!r}
    whole.add_nodes([node])
    Pool(1, 4.0, Messages(), print).process([executable_graph(whole)])
"""


def ready(*handles):
    """Wait until one can be read, or its process has ended; returns those."""
    return select.select(handles, [], [])[0]


@pytest.mark.slow
def test_workers_end_when_the_parent_is_killed(tmp_path):
    pipe, script = tmp_path / "pipe", tmp_path / "script.py"
    os.mkfifo(pipe)
    script.write_text(SCRIPT.format(folder=str(tmp_path / "work"), pipe=str(pipe)))
    told = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.DEVNULL) as parent:
        try:
            assert told in ready(told, os.pidfd_open(parent.pid)), "it ended before"
            worker = int(os.read(told, 32))
            assert worker != parent.pid
            end = os.pidfd_open(worker)
            assert not select.select([end], [], [], 0)[0], "it lives"
        finally:
            os.kill(parent.pid, signal.SIGKILL)
    assert ready(end) == [end]


class Waiting:
    """A worker that waits, or runs a step; there is no process."""

    gpu = None
    is_alive = True

    def __init__(self, step=None):
        self.step = step


def step(mem_gb, n_procs=1):
    return SimpleNamespace(mem_gb=mem_gb, n_procs=n_procs, is_gpu_node=bool)


@pytest.fixture
def small_pool(monkeypatch):
    """A pool of four cores with 4 GB, and these workers."""
    dismissed = []
    monkeypatch.setattr(module, "dismiss", dismissed.extend)

    def build(*workers):
        pool = Pool(4, 4.0, Messages(), print)
        pool._workers = list(workers)
        return pool, dismissed

    return build


def test_this_process_and_waiting_workers_hold_memory(small_pool):
    pool, dismissed = small_pool(Waiting(step(1.0)), Waiting(), Waiting())
    # one of the two that wait takes the step, whose memory includes its own
    free = 4.0 - 1.0 - PARENT_GB - BASE_GB
    assert pool._has_room(step(free - 0.01)) and not pool._has_room(step(free + 0.01))
    assert not dismissed


def test_there_are_cores_for_steps_side_by_side(small_pool):
    pool, _ = small_pool(Waiting(step(0.1, n_procs=2)))
    assert pool._has_room(step(0.1, n_procs=2)) and not pool._has_room(step(0.1, n_procs=3))


def test_workers_that_wait_make_room_for_a_large_step(small_pool):
    pool, dismissed = small_pool(Waiting(), Waiting(), Waiting())
    taker, *others = pool._workers
    assert pool._has_room(step(4.0 - PARENT_GB))
    assert dismissed == others and pool._workers == [taker]


def test_a_step_that_is_too_large_runs_alone_rather_than_never(small_pool):
    pool, _ = small_pool()
    assert pool._has_room(step(3.9, n_procs=8))
