"""Progress of super-resolution: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import multiprocessing
import sys
import time
from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm

from bids_sr.superres.durations import duration

_LOG = logging.getLogger("bids_sr")
_SOON_S, _LATE_S = 15.0, 120.0
"""Minimum and maximum interval between log lines, s ..."""
_SHARE = 0.1
"""... between which a line is logged whenever this share of the total is done."""


class Progress:
    """Shows how many volumes, or slices, are done, and the remaining time.

    The remaining time excludes later steps.

    Parameters
    ----------
    label : str
        Name of the run.
    total : int
        Total number.
    unit : str
        What is counted: ``volume`` or ``slice``.
    stream : text stream, optional
        Stream of the bar; default stderr. If it is not a terminal, or in a worker, log lines
        are used instead: bars of several processes would overwrite each other.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self,
        label: str,
        total: int,
        unit: str,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._total, self._unit, self._clock = label, total, unit, clock
        self._started = self._last = clock()
        self._done = self._told = 0
        stream = sys.stderr if stream is None else stream
        alone = multiprocessing.parent_process() is None
        self._bar = (
            tqdm(total=total, desc=label, unit=f" {unit}s", file=stream, leave=False)
            if alone and stream.isatty()
            else None
        )

    def advance(self, count: int = 1) -> None:
        """Count `count` more as done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        if self._done == self._total:
            self._end()
        elif self._bar is None and self._is_time():
            self._tell()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
        _LOG.info(
            "%s: %d %ss in %s",
            self._label, self._total, self._unit, duration(self._clock() - self._started),
        )  # fmt: skip

    def _is_time(self) -> bool:
        waited = self._clock() - self._last
        much = self._done - self._told >= _SHARE * self._total
        return waited >= (_SOON_S if much else _LATE_S)

    def _tell(self) -> None:
        self._last, self._told = self._clock(), self._done
        rate = self._done / max(self._last - self._started, 1e-9)
        _LOG.info(
            "%s: %s %d of %d, %.1f %ss/s, %s to the last",
            self._label, self._unit, self._done, self._total, rate, self._unit,
            duration((self._total - self._done) / rate, 0),
        )  # fmt: skip
