"""How far a run has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

from tqdm import tqdm

_LOG = logging.getLogger("bids_sr")
_LINE_EVERY_S = 15.0


class Progress:
    """Shows how many volumes, or slices, are done, how fast, and the time left.

    Parameters
    ----------
    label : str
        Run it is about.
    total : int
        How many there are.
    unit : str
        What is counted: ``volume`` or ``slice``.
    stream : text stream, optional
        Where a bar goes; default stderr. Not a terminal: log lines instead.
    """

    def __init__(self, label: str, total: int, unit: str, stream: TextIO | None = None) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._started = self._last = time.monotonic()
        self._done = 0
        stream = sys.stderr if stream is None else stream
        self._bar = (
            tqdm(total=total, desc=label, unit=f" {unit}s", file=stream)
            if stream.isatty()
            else None
        )

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(count)
            if self._done == self._total:
                self._bar.close()
        elif self._done == self._total or now - self._last >= _LINE_EVERY_S:
            self._last = now
            rate = self._done / max(now - self._started, 1e-9)
            left = (self._total - self._done) / rate
            _LOG.info(
                "%s: %s %d of %d, %.1f %ss/s, %.0f s left",
                self._label, self._unit, self._done, self._total, rate, self._unit, left,
            )  # fmt: skip
