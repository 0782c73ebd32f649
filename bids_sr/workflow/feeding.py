"""Runs handed to nipype a few at a time: its bookkeeping grows with the square of their number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_sr.workflow.graph import build_workflow
from bids_sr.workflow.messages import Messages
from bids_sr.workflow.plan import RunPlan
from bids_sr.workflow.pool import PoolPlugin

_LEAST = 8


def window(nprocs: int) -> int:
    """Return how many runs nipype should know of at a time.

    A run that is not over has a step that runs or is ready to, so as many runs as
    cores keep all cores busy; as many again lie ready for when memory is the limit.
    """
    return max(_LEAST, 2 * nprocs)


class FedPoolPlugin(PoolPlugin):
    """`PoolPlugin` that takes in the next run when one is over, and forgets that one.

    Parameters
    ----------
    plugin_args : dict
        As for ``MultiProc``.
    messages : Messages
        What workers say, and where.
    gpus : sequence of str, optional
        Names of the GPUs.
    waiting : sequence of RunPlan
        Runs that come after those of the graph that is run.
    work_dir : pathlib.Path
        Work folder.
    monitor : pathlib.Path, optional
        Table of what steps take.
    """

    def __init__(
        self,
        plugin_args: dict[str, Any],
        messages: Messages,
        gpus: Sequence[str] = (),
        *,
        waiting: Sequence[RunPlan],
        work_dir: Path,
        monitor: Path | None = None,
    ) -> None:
        super().__init__(plugin_args, messages, gpus)
        self._waiting = iter(waiting)
        self._work_dir = work_dir
        self._monitor = monitor
        self._slots: dict[str, list[int]] = {}
        self._turns: dict[str, int] = {}

    def _generate_dependency_list(self, graph: Any) -> None:
        super()._generate_dependency_list(graph)
        self._slots = _by_run(self.procs)
        self._turns = {label: turn for turn, label in enumerate(self._slots)}

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        self._take_in(graph)
        super()._send_procs_to_workers(updatehash=updatehash, graph=graph)

    def _sort_jobs(self, jobids: Any, scheduler: str | None = None) -> list[int]:
        # among equals, first come, first served: a run may have got the place of an early one
        return sorted(super()._sort_jobs(jobids, scheduler), key=self._turn)

    def _turn(self, job: int) -> tuple[int, int]:
        inputs = self.procs[job].inputs
        return -getattr(inputs, "rank", 0), self._turns[inputs.plan.label]

    def _take_in(self, graph: Any) -> None:
        """Put waiting runs in the places of those that are over."""
        over = [label for label, slots in self._slots.items() if self._is_over(slots)]
        for label, plan in zip(over, itertools.islice(self._waiting, len(over)), strict=False):
            self._replace(graph, self._slots.pop(label), plan)

    def _is_over(self, slots: list[int]) -> bool:
        return bool(self.proc_done[slots].all() and not self.proc_pending[slots].any())

    def _replace(self, graph: Any, slots: list[int], plan: RunPlan) -> None:
        new = _executable(build_workflow([plan], self._work_dir, self._monitor), self._config)
        nodes = list(new.nodes())
        graph.remove_nodes_from([self.procs[slot] for slot in slots])
        graph.update(new)
        # every run has the same steps: the new ones fit into the places of the old
        places = dict(zip(slots, nodes, strict=True))
        for slot, node in places.items():
            self.procs[slot] = node
            for other, after in places.items():
                self.depidx[slot, other] = self.refidx[slot, other] = new.has_edge(node, after)
        self.proc_done[slots] = False
        self.proc_pending[slots] = False
        self._slots[plan.label] = slots
        self._turns[plan.label] = len(self._turns)


class _Catch:
    """A nipype plugin that runs nothing: it keeps the graph that it was to run."""

    def __init__(self) -> None:
        self.plugin_args: dict[str, Any] = {}
        self.graph: Any = None

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Keep the graph."""
        self.graph = graph


def _executable(workflow: Any, config: dict[str, Any]) -> Any:
    """Return the graph of a workflow as nipype executes it."""
    workflow.config["execution"].update(config["execution"])
    caught = _Catch()
    workflow.run(plugin=caught)
    return caught.graph


def _by_run(nodes: Sequence[Any]) -> dict[str, list[int]]:
    """Return the places of each run's nodes."""
    places: dict[str, list[int]] = {}
    for place, node in enumerate(nodes):
        places.setdefault(node.inputs.plan.label, []).append(place)
    return places
