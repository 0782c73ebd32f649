"""nipype's process pool, made to survive the death of a worker."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bids_sr.workflow.messages import Messages, configure_messages
from bids_sr.workflow.pages import FAILED_WITH

_log = logging.getLogger("bids_sr")


class PoolPlugin(MultiProcPlugin):
    """nipype's ``MultiProc`` with some differences.

    Workers are started fresh, not forked: CUDA and OpenMP do not survive a fork.
    They end when the parent does. When one is killed, mostly for want of memory,
    the steps that were running are reported as failed and a new pool takes over;
    nipype itself would wait for them forever. And runs that were begun are
    finished before others begin.

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

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=self.processors,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(self._cwd, self._messages),
        )

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        try:
            return super()._submit_job(node, updatehash=updatehash)
        except BrokenProcessPool:
            self.pool = self._new_pool()
            return super()._submit_job(node, updatehash=updatehash)

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
