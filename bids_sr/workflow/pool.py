"""Running steps in parallel processes, as cores, memory and GPUs allow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from traceback import format_exception
from typing import Any

from bids_sr.errors import BidsSrError, DeviceError
from bids_sr.superres.gpu_faults import lost, lost_gpu
from bids_sr.workflow.memory import BASE_GB, PARENT_GB
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.participant_pages import FAILED_WITH
from bids_sr.workflow.schedule import Schedule, runs_at_once
from bids_sr.workflow.workers import Worker, dismiss, ended

_AS_PLANNED = ""
"""Placeholder for the planned GPU, if no GPUs are named."""

_CHANCES = 2
"""Failures in a row after which a GPU is not used any more."""

_log = logging.getLogger("bids_sr")


class Pool:
    """Runs the nodes of nipype's graphs, in place of nipype's ``MultiProc``.

    Workers are spawned, not forked. If one is killed, usually because memory ran out, its step has
    failed and the others continue; ``MultiProc`` would wait for it forever. Open runs are finished
    before others are started. All memory counts: this process and idle workers hold some, too. Each
    GPU has one worker of its own: a step that needs a GPU gets a free one, as its input ``device``,
    and no other step runs there until it has ended. So there is one process per GPU, whose cached
    memory does not block others. A GPU that fails (`bids_sr.superres.gpu_faults.lost_gpu`) ends its
    worker, and its step is repeated once on another GPU. It is used again only when no other is
    left, and after a second failure in a row not at all.

    Parameters
    ----------
    nprocs : int
        CPU cores of all steps together.
    memory_gb : float
        Memory of all processes together.
    messages : Messages
        Log settings of workers.
    on_step : callable
        Called with a node and ``start``, ``end`` or ``exception``, as the
        ``status_callback`` of nipype's plugins.
    gpus : sequence of str, optional
        Names of the GPUs, for example ``cuda:0``. None: steps that need a GPU run one at a time, on
        the planned device.
    cpu_instead : bool, optional
        Whether steps that need a GPU run on the CPU when it failed and no other is left; otherwise
        they fail.
    stop_on_first_crash : bool, optional
        Stop at the first step that fails.
    """

    def __init__(
        self,
        nprocs: int,
        memory_gb: float,
        messages: Messages,
        on_step: Callable[[Any, str], None],
        gpus: Sequence[str] = (),
        *,
        cpu_instead: bool = False,
        stop_on_first_crash: bool = False,
    ) -> None:
        self.nprocs = nprocs
        self.memory_gb = memory_gb
        self.gpus = tuple(gpus) or (_AS_PLANNED,)
        self._failed_in_a_row = dict.fromkeys(self.gpus, 0)
        self._failed_on: dict[Any, str] = {}
        self._on_cpu: set[Any] = set()
        self._cpu_instead = cpu_instead and bool(gpus)
        self._messages = messages
        self._on_step = on_step
        self._stop_on_first_crash = stop_on_first_crash
        self._stopped = False
        self._workers: list[Worker] = []

    def process(self, graphs: Iterable[Any], at_once: int | None = None) -> None:
        """Run all nodes except those that depend on a failed one.

        Parameters
        ----------
        graphs : iterable of networkx.DiGraph
            One for each run (`bids_sr.workflow.schedule.executable_graph`).
        at_once : int, optional
            Number of runs open at a time; usually `runs_at_once`.
        """
        schedule = Schedule(graphs, at_once or runs_at_once(self.nprocs))
        try:
            while not (schedule.is_over or self._stopped):
                if self._start_one(schedule):
                    continue
                for worker in ended(self._busy()):
                    self._take(schedule, worker)
        finally:
            self._dismiss(self._workers)

    def _start_one(self, schedule: Schedule) -> bool:
        """Start the first node for which there are resources; return whether there was one."""
        for step in schedule.ready():
            if _is_made(step):
                self._on_step(step, "end")
                schedule.end(step)
                return True
            if self._needs_gpu(step) and not self._allowed(step):
                self._end(schedule, step, _none_left())
                return True
            if not self._has_room(step):
                continue
            self._on_step(step, "start")
            schedule.start(step)
            if (traceback := self._hand_over(step)) is not None:
                self._end(schedule, step, traceback)
            return True
        return False

    def _take(self, schedule: Schedule, worker: Worker) -> None:
        """Take what a worker sent back; if its GPU failed, give the node to another."""
        gpu, (step, traceback) = worker.gpu, worker.outcome()
        what = None if traceback is None or gpu is None else lost_gpu(traceback)
        if gpu is None or what is None:
            if gpu is not None and traceback is None:
                self._failed_in_a_row[gpu] = 0
            self._end(schedule, step, traceback)
            return
        _log.debug("%s: %s", step, traceback)
        self._dismiss([worker])  # no computation succeeds in its process any more
        self._failed_in_a_row[gpu] += 1
        again = step in self._failed_on
        self._failed_on[step] = gpu
        left = self._allowed(step)
        if again or not left:
            if not self._cpu_instead:
                self._end(schedule, step, lost(gpu or "The GPU", what))
                return
            left = ["the CPU"]
            self._on_cpu.add(step)
        _log.warning(
            "%s failed (%s). %s is computed again on %s.",
            gpu or "The GPU", what, _run_of(step), " or ".join(left),
        )  # fmt: skip
        schedule.give_back(step)

    def _end(self, schedule: Schedule, step: Any, failure: str | BidsSrError | None) -> None:
        """Handle the end of a node, which failed with a traceback or an error to be recorded."""
        if failure is not None:
            reason = _reason(failure) if isinstance(failure, str) else failure
            setattr(step, FAILED_WITH, reason)
            _log.debug("%s: %s", step, failure)
        self._failed_on.pop(step, None)
        self._on_cpu.discard(step)
        self._on_step(step, "end" if failure is None else "exception")
        schedule.end(step, failed=failure is not None)
        self._stopped = failure is not None and self._stop_on_first_crash

    def _has_room(self, step: Any) -> bool:
        busy = self._busy()
        if self._needs_gpu(step) and self._free_gpu(step) is None:
            return False
        cores = self.nprocs - sum(worker.step.n_procs for worker in busy)
        free_gb = self.memory_gb - PARENT_GB - sum(worker.step.mem_gb for worker in busy)
        # an idle worker takes the step, whose memory includes the worker's own
        others = [worker for worker in self._idle() if worker is not self._worker_for(step)]
        fits = step.mem_gb <= free_gb - len(others) * BASE_GB
        if busy:
            return fits and min(step.n_procs, self.nprocs) <= cores
        # any step may run alone: otherwise it would never start
        if not fits:
            self._dismiss(others)
        return True

    def _hand_over(self, step: Any) -> str | None:
        """Send a node to a worker; return a traceback if that fails."""
        gpu = self._free_gpu(step) if self._needs_gpu(step) else None
        if gpu:
            step.inputs.device = gpu
        elif step.is_gpu_node() and gpu is None:
            step.inputs.device = "cpu"
        worker = self._worker_for(step)
        if worker is None:
            try:
                worker = Worker(self._messages, gpu)
            except OSError as error:
                return "".join(format_exception(error))
            self._workers.append(worker)
        return worker.start(step)

    def _worker_for(self, step: Any) -> Worker | None:
        """Return an idle worker, that of a free GPU if the node needs one."""
        gpu = self._free_gpu(step) if self._needs_gpu(step) else None
        return next((worker for worker in self._idle() if worker.gpu == gpu), None)

    def _free_gpu(self, step: Any) -> str | None:
        taken = {worker.gpu for worker in self._busy()}
        return next((gpu for gpu in self._allowed(step) if gpu not in taken), None)

    def _allowed(self, step: Any) -> list[str]:
        """Return the GPUs on which a node may run: not the one that failed with it."""
        return [gpu for gpu in self._usable() if gpu != self._failed_on.get(step)]

    def _usable(self) -> list[str]:
        """Return the GPUs that have not failed; if all have, those that get a second chance."""
        for failures in range(_CHANCES):
            if left := [gpu for gpu in self.gpus if self._failed_in_a_row[gpu] == failures]:
                return left
        return []

    def _needs_gpu(self, step: Any) -> bool:
        if not step.is_gpu_node() or step in self._on_cpu:
            return False
        return not self._cpu_instead or bool(self._allowed(step))

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.step is not None]

    def _idle(self) -> list[Worker]:
        self._dismiss([w for w in self._workers if w.step is None and not w.is_alive])
        return [worker for worker in self._workers if worker.step is None]

    def _dismiss(self, workers: Iterable[Worker]) -> None:
        leaving = list(workers)
        self._workers = [worker for worker in self._workers if worker not in leaving]
        dismiss(leaving)


def _none_left() -> DeviceError:
    return DeviceError(
        "no GPU is left: all have failed.",
        remedy="Check them (nvidia-smi, dmesg) and run again, or give --device cpu.",
    )


def _run_of(step: Any) -> str:
    """Return the label of a node's run, or the node's name."""
    plan = getattr(step.inputs, "plan", None)
    return str(getattr(plan, "label", step.name))


def _is_made(step: Any) -> bool:
    """Return whether an earlier call has already made the result of a node."""
    if step.overwrite:
        return False
    try:
        made: bool = all(step.is_cached())
    except Exception as error:
        _log.debug("%s: %s", step, error)
        made = False
    step.overwrite = not made
    return made


def _reason(traceback: str) -> str:
    """Return the last line of a traceback that names the exception."""
    lines = [line.strip() for line in traceback.splitlines() if line[:1].isalpha()]
    named = [line for line in lines if "bids_sr.errors." in line]
    return (named or lines or [""])[-1]
