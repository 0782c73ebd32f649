"""The resource monitor sees what a step takes."""

from __future__ import annotations

import csv
import logging
import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from bids_sr.workflow import monitor, steps
from bids_sr.workflow.graph import build_run_workflow
from bids_sr.workflow.interface import Step
from bids_sr.workflow.monitor import Job, Monitor, start_table, tell_table


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "logs" / "resources.tsv"
    start_table(path)
    return path


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture
def watching(monkeypatch):
    """An event that is set whenever a monitor has looked at the memory."""
    looked, look = threading.Event(), Monitor._look

    def looks(self):
        look(self)
        looked.set()

    monkeypatch.setattr(Monitor, "_look", looks)
    return looked


def test_memory_and_work_are_seen(table, watching):
    with Monitor(Job(table, "sub-01", "idle", 1.0)):
        pass
    with Monitor(Job(table, "sub-01", "busy", 1.0)):
        block = np.ones(50_000_000)  # 400 MB
        watching.clear()
        watching.wait()
        del block
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
    idle, busy = rows(table)
    assert float(busy["peak_gb"]) > float(idle["peak_gb"]) + 0.35
    assert float(busy["cpu_seconds"]) >= 0.3
    assert float(idle["cpu_seconds"]) < float(busy["cpu_seconds"])
    assert (busy["run"], busy["step"], busy["planned_gb"]) == ("sub-01", "busy", "1.00")


def test_seconds_are_those_of_the_block(table, monkeypatch):
    clock = SimpleNamespace(monotonic=iter([100.0, 112.5]).__next__)
    monkeypatch.setattr(monitor, "time", clock)
    with Monitor(Job(table, "sub-01", "idle", 1.0)):
        pass
    assert [row["seconds"] for row in rows(table)] == ["12.50"]


def test_a_step_that_fails_is_on_the_table_too(table):
    with pytest.raises(ValueError, match="no"), Monitor(Job(table, "sub-01", "bad", 0.0)):
        raise ValueError("no")
    assert [row["step"] for row in rows(table)] == ["bad"]


def test_a_step_of_the_graph_is_watched_if_asked(plan, table, tmp_path):
    Step(steps.read, plan=plan, job=Job(table, plan.label, "read", 0.5)).run(cwd=str(tmp_path))
    Step(steps.read, plan=plan).run(cwd=str(tmp_path))
    assert [row["step"] for row in rows(table)] == ["read"]
    nodes = build_run_workflow(plan, tmp_path / "work", table)._graph.nodes()
    assert {node.inputs.job.step for node in nodes} == {node.name for node in nodes}


def test_a_line_for_each_run(table, caplog):
    for run in ("sub-01", "sub-02"):
        with Monitor(Job(table, run, "compute_metrics", 1.0)):
            pass
    with caplog.at_level(logging.INFO, logger="bids_sr"):
        tell_table(table)
    lines = [record.getMessage() for record in caplog.records]
    assert (
        len(lines) == 2
        and lines[0].startswith("sub-01: ")
        and re.search(r"compute_metrics \d\.\d\d GB", lines[0])
    )
