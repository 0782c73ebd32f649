"""nipype's process pool, made to survive the death of a worker, and with a worker for each GPU."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from traceback import format_exception
from typing import Any

from bids_sr.workflow.engine import MultiProcPlugin, run_node
from bids_sr.workflow.memory import BASE_GB, PARENT_GB
from bids_sr.workflow.messages import Messages, configure_messages
from bids_sr.workflow.participant_pages import FAILED_WITH

_log = logging.getLogger("bids_sr")

_CPU = "cpu"
"""Where steps run that ask for no GPU."""
_AS_PLANNED = ""
"""Where those run that do, if no GPU has a name: on the one they were planned for."""


class PoolPlugin(MultiProcPlugin):
    """nipype's ``MultiProc`` with some differences.

    Workers are started fresh, not forked: CUDA and OpenMP do not survive a fork.
    They end when the parent does. When one is killed, mostly for want of memory,
    the steps that were running are reported as failed and a new pool takes over;
    nipype itself would wait for them forever. Runs that were begun are finished
    before others begin. Memory counts whole: this process and workers that wait for a
    step hold some, too. And each GPU has one worker of its own: a step that asks
    for a GPU gets one that is free, as its input ``device``, and no other step runs
    there before it has ended. So there is one process per GPU, whose cached memory
    is in nobody's way.

    Parameters
    ----------
    plugin_args : dict
        As for ``MultiProc``; ``n_gpu_procs`` is of no account.
    messages : Messages
        What workers say, and where.
    gpus : sequence of str, optional
        Names of the GPUs, for example ``cuda:0``. None: steps that ask for a GPU run
        one at a time, on the device they were planned for.
    """

    def __init__(
        self, plugin_args: dict[str, Any], messages: Messages, gpus: Sequence[str] = ()
    ) -> None:
        super().__init__({**plugin_args, "n_gpu_procs": 1})
        self.pool.shutdown(wait=False)  # never used: its workers start on demand
        self._messages = messages
        self._gpus = tuple(gpus) or (_AS_PLANNED,)
        self._pools = {gpu: self._new_pool(gpu) for gpu in (_CPU, *self._gpus)}
        self._lent: dict[int, str] = {}

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run the graph; on the way out of an early end, no worker is left behind."""
        try:
            super().run(graph, config, updatehash=updatehash)
        except BaseException:
            for pool in self._pools.values():
                workers = list((pool._processes or {}).values())
                pool.shutdown(wait=False, cancel_futures=True)
                for worker in workers:
                    worker.terminate()
            raise

    def _most_workers(self) -> int:
        """Return how many workers there is memory for, even if they only wait."""
        return max(1, min(self.processors, int((self.memory_gb - PARENT_GB) / BASE_GB)))

    def _new_pool(self, place: str) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=self._most_workers() if place == _CPU else 1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(self._cwd, self._messages),
        )

    def _prerun_check(self, graph: Any) -> None:
        # nipype takes as many GPU slots for a step as it has cores: here, one GPU is one slot
        cores = [node.n_procs for node in graph.nodes() if node.is_gpu_node()]
        self.n_gpu_procs = len(self._gpus) * max(cores, default=1)
        super()._prerun_check(graph)

    def _postrun_check(self) -> None:
        for pool in self._pools.values():
            pool.shutdown()

    def _check_resources(self, running_tasks: Any) -> tuple[float, int, int]:
        free_gb, processors, gpus = super()._check_resources(running_tasks)
        free_gb -= PARENT_GB
        # a worker that waits takes the next step, whose memory includes its own
        workers = sum(len(pool._processes or {}) for pool in self._pools.values())
        held_gb = max(0, workers - len(running_tasks) - 1) * BASE_GB
        if running_tasks:
            return free_gb - held_gb, processors, gpus
        largest_gb = min(self._largest_gb(), self.memory_gb)
        if held_gb and largest_gb > free_gb - held_gb:
            for place, pool in self._pools.items():
                pool.shutdown()
                self._pools[place] = self._new_pool(place)
            held_gb = 0.0
        # alone, any step may run: nothing would ever be free for it else
        return max(free_gb - held_gb, largest_gb), processors, gpus

    def _largest_gb(self) -> float:
        """Return the memory of the largest step that is still to be done."""
        left = zip(self.procs, self.proc_done, strict=True)
        return max((node.mem_gb for node, done in left if not done), default=0.0)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int | None:
        place = _CPU
        if node.is_gpu_node():
            free = [gpu for gpu in self._gpus if gpu not in self._lent.values()]
            if not free:  # happens if steps have unlike numbers of cores: nipype asks again
                return None
            place = free[0]
        if place not in (_CPU, _AS_PLANNED):
            node.inputs.device = place
        self._taskid += 1
        future = self._submit(place, node, updatehash)
        future.add_done_callback(self._async_callback)
        self._task_obj[self._taskid] = future
        if place != _CPU:
            self._lent[self._taskid] = place
        return int(self._taskid)

    def _submit(self, place: str, node: Any, updatehash: bool) -> Future[Any]:
        try:
            return self._pools[place].submit(run_node, node, updatehash, self._taskid)
        except BrokenProcessPool:
            self._pools[place] = self._new_pool(place)
            return self._pools[place].submit(run_node, node, updatehash, self._taskid)

    def _clear_task(self, taskid: int) -> None:
        super()._clear_task(taskid)
        self._lent.pop(taskid, None)

    def _sort_jobs(self, jobids: Any, scheduler: str | None = None) -> list[int]:
        return sorted(jobids, key=lambda job: -getattr(self.procs[job].inputs, "rank", 0))

    def _clean_queue(self, jobid: int, graph: Any, result: Any = None) -> Any:
        if result is not None:
            setattr(self.procs[jobid], FAILED_WITH, _reason("".join(result["traceback"])))
        return super()._clean_queue(jobid, graph, result=result)

    def _report_crash(self, node: Any, result: Any = None) -> Any:
        try:
            return super()._report_crash(node, result=result)
        except OSError as error:  # no space for nipype's own crash file: others go on
            _log.debug("no crash file: %s", error)
            return None

    def _async_callback(self, args: Any) -> None:
        if args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> Any:
        future = self._task_obj[taskid]
        if future.done() and (error := future.exception()) is not None:
            return {"result": None, "traceback": format_exception(error), "taskid": taskid}
        return super()._get_result(taskid)


def _reason(traceback: str) -> str:
    """Return the last line of a traceback that says which exception it was."""
    lines = [line.strip() for line in traceback.splitlines() if line[:1].isalpha()]
    named = [line for line in lines if "bids_sr.errors." in line]
    return (named or lines or [""])[-1]


def _start_worker(folder: str, messages: Messages) -> None:
    os.chdir(folder)
    configure_messages(messages)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
