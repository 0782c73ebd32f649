"""Memory and CPU use of each step, sampled while it runs."""

from __future__ import annotations

import csv
import io
import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from attrs import frozen

_PERIOD_S = 0.05
"""Sampling interval, s: shorter than the lifetime of any large array."""
_COLUMNS = ("run", "step", "seconds", "cpu_seconds", "cpu_percent", "peak_gb", "planned_gb", "pid")

_log = logging.getLogger("bids_sr")


@frozen
class Job:
    """The step to monitor, and the table to write to."""

    table: Path
    """Table to which a row is added at the end."""
    run: str
    """Label of the run."""
    step: str
    """Name of the step."""
    planned_gb: float
    """Planned memory of the step."""


class Monitor:
    """Monitor this process until the end of a ``with`` block.

    nipype's own monitor is enabled globally, which spawned workers do not inherit, and samples at
    most five times a second.

    Parameters
    ----------
    job : Job
        Its row is added to the table, whether the block succeeds or not.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._end = threading.Event()
        self._peak = 0
        self._cpu = 0.0
        self._started = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Monitor:
        """Start monitoring."""
        import psutil

        self._process = psutil.Process()
        self._look()
        self._cpu = _cpu_seconds()
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the row."""
        self._look()
        self._end.set()
        self._thread.join()
        seconds, cpu = time.monotonic() - self._started, _cpu_seconds() - self._cpu
        job = self._job
        row = (job.run, job.step, f"{seconds:.2f}", f"{cpu:.2f}")
        more = (f"{100 * cpu / max(seconds, 1e-3):.0f}", f"{self._peak / 1e9:.3f}")
        _append(job.table, [(*row, *more, f"{job.planned_gb:.2f}", str(os.getpid()))])

    def _watch(self) -> None:
        while not self._end.wait(_PERIOD_S):
            self._look()

    def _look(self) -> None:
        self._peak = max(self._peak, self._process.memory_info().rss)


def start_table(path: Path) -> None:
    """Create a table with a header and no rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _append(path, [_COLUMNS])


def tell_table(path: Path) -> None:
    """Log a line for each run with the resources of its steps."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for run in dict.fromkeys(row["run"] for row in rows):
        steps = [row for row in rows if row["run"] == run]
        told = ", ".join(
            f"{row['step']} {float(row['peak_gb']):.2f} GB {row['cpu_percent']} % "
            f"{float(row['seconds']):.1f} s"
            for row in steps
        )
        _log.info("%s: peak memory, CPU and time of each step: %s", run, told)


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _append(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    # in one write: several processes append here
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, text.getvalue().encode())
    finally:
        os.close(descriptor)
