"""nipype's process pool, made to survive the death of a worker."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bids_sr.workflow.memory import BASE_GB, PARENT_GB
from bids_sr.workflow.messages import Messages, configure_messages


class PoolPlugin(MultiProcPlugin):
    """nipype's ``MultiProc`` with five differences.

    Workers are started fresh, not forked: CUDA and OpenMP do not survive a fork.
    They end when the parent does. When one is killed, mostly for want of memory,
    the steps that were running are reported as failed and a new pool takes over;
    nipype itself would wait for them forever. Runs that were begun are finished
    before others begin. And memory counts whole: this process and workers that
    wait for a step hold some, too.

    Parameters
    ----------
    plugin_args : dict
        As for ``MultiProc``.
    messages : Messages
        What workers say, and where.
    """

    pool: ProcessPoolExecutor

    def __init__(self, plugin_args: dict[str, Any], messages: Messages) -> None:
        super().__init__(plugin_args)
        self.pool.shutdown(wait=False)  # never used: its workers start on demand
        self._messages = messages
        self.pool = self._new_pool()

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run the graph; on the way out of an early end, no worker is left behind."""
        try:
            super().run(graph, config, updatehash=updatehash)
        except BaseException:
            workers = list((self.pool._processes or {}).values())
            self.pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
            raise

    def _most_workers(self) -> int:
        """Return how many workers there is memory for, even if they only wait."""
        return max(1, min(self.processors, int((self.memory_gb - PARENT_GB) / BASE_GB)))

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=self._most_workers(),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(self._cwd, self._messages),
        )

    def _check_resources(self, running_tasks: Any) -> tuple[float, int, int]:
        free_gb, processors, gpus = super()._check_resources(running_tasks)
        free_gb -= PARENT_GB
        # a worker that waits takes the next step, whose memory includes its own
        waiting = len(self.pool._processes or {}) - len(running_tasks) - 1
        held_gb = max(0, waiting) * BASE_GB
        if running_tasks:
            return free_gb - held_gb, processors, gpus
        largest_gb = min(self._largest_gb(), self.memory_gb)
        if held_gb and largest_gb > free_gb - held_gb:
            self.pool.shutdown()
            self.pool = self._new_pool()
            held_gb = 0.0
        # alone, any step may run: nothing would ever be free for it else
        return max(free_gb - held_gb, largest_gb), processors, gpus

    def _largest_gb(self) -> float:
        """Return the memory of the largest step that is still to be done."""
        left = zip(self.procs, self.proc_done, strict=True)
        return max((node.mem_gb for node, done in left if not done), default=0.0)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        try:
            return super()._submit_job(node, updatehash=updatehash)
        except BrokenProcessPool:
            self.pool = self._new_pool()
            return super()._submit_job(node, updatehash=updatehash)

    def _sort_jobs(self, jobids: Any, scheduler: str | None = None) -> list[int]:
        return sorted(jobids, key=lambda job: -getattr(self.procs[job].inputs, "rank", 0))

    def _async_callback(self, args: Any) -> None:
        if args.exception() is None:
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> Any:
        future = self._task_obj[taskid]
        if future.done() and (error := future.exception()) is not None:
            return {"result": None, "traceback": format_exception(error), "taskid": taskid}
        return super()._get_result(taskid)


def _start_worker(folder: str, messages: Messages) -> None:
    os.chdir(folder)
    configure_messages(messages)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
