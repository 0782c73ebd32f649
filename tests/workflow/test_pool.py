"""The pool survives the death of a worker, and does not outlive its parent."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from nipype import Function, Node, Workflow

from bids_sr.workflow.memory import BASE_GB, PARENT_GB
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.pool import PoolPlugin

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
    whole.config["execution"] = {
        "crashdump_dir": str(folder),
        "poll_sleep_duration": "0.1",
        "create_report": "false",
    }
    return whole


@pytest.fixture
def run(tmp_path):
    """Run chains in a pool of one worker; returns what became of the nodes."""

    def go(*sources, fails=True):
        said = []
        arguments = {
            "n_procs": 1,
            "raise_insufficient": False,
            "status_callback": lambda node, status: said.append((node.name, status)),
        }
        plugin = PoolPlugin(arguments, Messages())
        if fails:
            with pytest.raises(Exception):  # noqa: B017 - nipype wraps what was raised
                workflow(tmp_path, *sources).run(plugin=plugin)
        else:
            workflow(tmp_path, *sources).run(plugin=plugin)
        return said

    return go


@pytest.mark.slow
def test_all_works(run):
    said = run(WORKS, WORKS, fails=False)
    assert {name for name, status in said if status == "end"} == {
        "first0",
        "first1",
        "second0",
        "second1",
    }


@pytest.mark.slow
def test_runs_that_were_begun_are_finished_first(tmp_path):
    said = []
    arguments = {
        "n_procs": 1,
        "status_callback": lambda node, status: said.append(node.name) if status == "end" else 0,
    }
    whole = workflow(tmp_path, WORKS, WORKS)
    for node in whole._graph.nodes():
        node.inputs.add_trait("rank", int(node.name.startswith("second")))
        node.inputs.rank = int(node.name.startswith("second"))
    whole.run(plugin=PoolPlugin(arguments, Messages()))
    assert said in (
        ["first0", "second0", "first1", "second1"],
        ["first1", "second1", "first0", "second0"],
    )


@pytest.mark.slow
def test_a_failure_stops_its_own_chain_only(run):
    said = run(FAILS, WORKS)
    assert ("first0", "exception") in said and ("second1", "end") in said
    assert not any(name == "second0" for name, _ in said)


@pytest.mark.slow
def test_a_killed_worker_is_a_failure_and_the_rest_goes_on(run):
    said = run(DIES, WORKS)
    assert ("first0", "exception") in said and ("second1", "end") in said


SCRIPT = """
from nipype import Function, Node, Workflow
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.pool import PoolPlugin

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
    whole.run(plugin=PoolPlugin({{"n_procs": 1}}, Messages()))
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


@pytest.fixture
def small_pool():
    """A pool of four cores with 4 GB, and nodes of these sizes to be done; no process starts."""

    def build(*sizes):
        plugin = PoolPlugin({"n_procs": 4, "memory_gb": 4.0}, Messages())
        plugin.procs = [SimpleNamespace(mem_gb=size, n_procs=1, is_gpu_node=bool) for size in sizes]
        plugin.proc_done = [False] * len(sizes)
        return plugin

    return build


def pretend_workers(plugin, count):
    plugin._pools["cpu"]._processes = dict.fromkeys(range(count))


def test_this_process_and_waiting_workers_hold_memory(small_pool):
    plugin = small_pool(1.0, 1.5, 0.7)
    pretend_workers(plugin, 3)
    free, processors, _ = plugin._check_resources([(1, 1)])
    # one of the two that wait takes the next step, whose memory includes its own
    assert free == pytest.approx(4.0 - 1.5 - PARENT_GB - BASE_GB)
    assert processors == 3
    pretend_workers(plugin, 0)


def test_workers_that_wait_make_room_for_a_large_step(small_pool):
    plugin = small_pool(3.0, 1.0)
    before, ended = plugin._pools["cpu"], []
    before.shutdown = lambda: ended.append(True)
    pretend_workers(plugin, 3)
    free, *_ = plugin._check_resources([])
    assert ended and plugin._pools["cpu"] is not before
    assert free == pytest.approx(4.0 - PARENT_GB)
    before._processes = {}


def test_a_step_that_is_too_large_runs_alone_rather_than_never(small_pool):
    free, *_ = small_pool(3.9)._check_resources([])
    assert free == pytest.approx(3.9)


def test_there_are_no_more_workers_than_memory_for_them(small_pool):
    assert small_pool()._most_workers() == 4
    plugin = PoolPlugin({"n_procs": 16, "memory_gb": PARENT_GB + 2.5 * BASE_GB}, Messages())
    assert plugin._most_workers() == 2
