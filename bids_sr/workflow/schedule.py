"""Scheduling the steps of a few runs at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bids_sr.workflow.engine import PluginBase

_LEAST = 8


def runs_at_once(nprocs: int) -> int:
    """Return how many runs to have open at a time.

    An unfinished run has a step that is running or ready, so as many runs as cores keep all cores
    busy; as many again are kept ready for when memory is the limit.
    """
    return max(_LEAST, 2 * nprocs)


def executable_graph(workflow: Any) -> Any:
    """Return the graph of a workflow's nodes as nipype hands it to a plugin.

    Parameters
    ----------
    workflow : nipype.Workflow

    Returns
    -------
    networkx.DiGraph
        Its nodes can be run in topological order.
    """
    plugin = _Keep()
    workflow.run(plugin=plugin)
    return plugin.graph


class _Keep(PluginBase):
    """A plugin that keeps the graph instead of running it."""

    graph: Any = None

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        self.graph = graph


class Schedule:
    """The remaining steps of runs, of which a few are open at a time.

    Parameters
    ----------
    graphs : iterable of networkx.DiGraph
        One for each run, from `executable_graph`. The next is requested when a run has ended, and
        that one is dropped, so that memory does not depend on their number.
    at_once : int
        Number of runs open at a time.
    """

    def __init__(self, graphs: Iterable[Any], at_once: int) -> None:
        self._graphs = iter(graphs)
        self._at_once = at_once
        self._open: list[Any] = []
        self._running: set[Any] = set()
        self._take_in()

    @property
    def is_over(self) -> bool:
        """Whether no steps remain."""
        return not self._open

    def ready(self) -> list[Any]:
        """Return the nodes that can start: later steps first, then earlier runs."""
        nodes = [
            node
            for graph in self._open
            for node in graph
            if not graph.in_degree(node) and node not in self._running
        ]
        return sorted(nodes, key=lambda node: -getattr(node.inputs, "rank", 0))

    def start(self, node: Any) -> None:
        """Mark a node as running."""
        self._running.add(node)

    def give_back(self, node: Any) -> None:
        """Take a node back that was started, so that it can be started again."""
        self._running.discard(node)

    def end(self, node: Any, *, failed: bool = False) -> None:
        """Mark a node as ended; if it failed, nodes that depend on it will not run."""
        self._running.discard(node)
        graph = next(graph for graph in self._open if node in graph)
        _remove(graph, node, followers=failed)
        if not graph:
            self._open.remove(graph)
            self._take_in()

    def _take_in(self) -> None:
        while len(self._open) < self._at_once and (graph := next(self._graphs, None)) is not None:
            if graph:
                self._open.append(graph)


def _remove(graph: Any, node: Any, *, followers: bool) -> None:
    for follower in list(graph.successors(node)) if followers else ():
        if follower in graph:
            _remove(graph, follower, followers=True)
    graph.remove_node(node)
