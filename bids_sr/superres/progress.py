"""How far a run has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

from tqdm import tqdm

_LOG = logging.getLogger("bids_sr")
_LINE_EVERY_S = 15.0


class VolumeProgress:
    """Shows volumes done, slices per second and time left.

    Parameters
    ----------
    label : str
        Run it is about.
    volumes, slices : int
        Volumes of the run, and slices of one volume.
    stream : text stream, optional
        Where a bar goes; default stderr. Not a terminal: log lines instead.
    """

    def __init__(self, label: str, volumes: int, slices: int, stream: TextIO | None = None) -> None:
        self._label, self._volumes, self._slices = label, volumes, slices
        self._started = self._last = time.monotonic()
        self._done = 0
        stream = sys.stderr if stream is None else stream
        self._bar = (
            tqdm(total=volumes, desc=label, unit="vol", file=stream) if stream.isatty() else None
        )

    def advance(self) -> None:
        """One volume more is done."""
        self._done += 1
        now = time.monotonic()
        rate = self._done * self._slices / max(now - self._started, 1e-9)
        if self._bar is not None:
            self._bar.set_postfix_str(f"{rate:.1f} slices/s", refresh=False)
            self._bar.update()
        elif self._done == self._volumes or now - self._last >= _LINE_EVERY_S:
            self._last = now
            left = (self._volumes - self._done) * self._slices / rate
            _LOG.info(
                "%s: volume %d of %d, %.1f slices/s, %.0f s left",
                self._label,
                self._done,
                self._volumes,
                rate,
                left,
            )

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()
