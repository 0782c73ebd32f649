"""Progress: a bar on a terminal, sparse lines elsewhere."""

from __future__ import annotations

import io
import logging
import multiprocessing

import pytest

from bids_sr.superres.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def lines(caplog):
    """A function that lets a progress advance at these seconds; returns the lines logged."""

    def go(seconds, stream, unit="volume"):
        now = [0.0]
        caplog.clear()
        with caplog.at_level(logging.INFO, "bids_sr"):
            progress = Progress("sub-01", len(seconds), unit, stream, clock=lambda: now[0])
            for second in seconds:
                now[0] = second
                progress.advance()
        return [record.getMessage() for record in caplog.records]

    return go


def test_the_end_is_told_and_no_time_left(lines):
    stream = io.StringIO()
    assert lines([1, 2, 3], stream) == ["sub-01: 3 volumes in 3.0 s"]
    assert stream.getvalue() == ""


def test_the_time_to_the_last_is_told_on_the_way(lines):
    told = lines([10, 20, 30, 40], io.StringIO(), "slice")
    assert told == [
        "sub-01: slice 2 of 4, 0.1 slices/s, 20 s to the last",
        "sub-01: 4 slices in 40.0 s",
    ]


def test_a_long_way_takes_a_dozen_lines(lines):
    assert len(lines(range(1, 1001), io.StringIO())) == 10


def test_a_slow_way_is_never_silent_for_long(lines):
    assert len(lines(range(60, 60 * 31, 60), io.StringIO())) == 15, "every two minutes"


def test_bar_on_a_terminal(lines):
    stream = Terminal()
    assert lines([1, 2], stream, "slice") == ["sub-01: 2 slices in 2.0 s"], "for the log file"
    assert "0/2" in stream.getvalue() and "sub-01" in stream.getvalue()


def test_no_bar_in_a_worker(lines, monkeypatch):
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the program")
    stream = Terminal()
    assert lines([20, 40], stream)[0].startswith("sub-01: volume 1 of 2")
    assert stream.getvalue() == ""
