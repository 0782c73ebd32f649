"""Progress: a bar on a terminal, sparse lines elsewhere."""

from __future__ import annotations

import io
import logging

from bids_sr.superres.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_lines_without_a_terminal(caplog):
    stream = io.StringIO()
    with caplog.at_level(logging.INFO, "bids_sr"):
        progress = Progress("sub-01", 3, "volume", stream)
        for _ in range(3):
            progress.advance()
    assert stream.getvalue() == ""
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert lines[0].startswith("sub-01: volume 3 of 3, ")
    assert "volumes/s, 0 s left" in lines[0]


def test_bar_on_a_terminal():
    stream = Terminal()
    progress = Progress("sub-01", 2, "slice", stream)
    progress.advance()
    progress.advance()
    assert "2/2" in stream.getvalue()
    assert "slices/s" in stream.getvalue()
