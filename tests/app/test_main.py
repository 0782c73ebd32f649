"""Exit statuses, and what the user reads when something goes wrong."""

from __future__ import annotations

import os
import signal

import pytest

from bids_sr.app import main as module
from bids_sr.app.main import main
from bids_sr.errors import InputError, OutputError, UsageError


def wait():
    """Wait for the signal that raises, however long it takes."""
    while True:
        signal.pause()


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call the program with a stand-in for all that follows the parser."""
    (tmp_path / "raw").mkdir()
    # nothing of the real environment or loggers is touched
    monkeypatch.setattr(module, "prepare_environment", lambda threads: None)
    monkeypatch.setattr(module, "configure_messages", lambda messages: None)

    def run(outcome):
        def stand_in(settings):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome(settings) if callable(outcome) else outcome

        monkeypatch.setattr(module, "_run", stand_in)
        return main([str(tmp_path / "raw"), str(tmp_path / "out"), "participant"])

    return run


@pytest.mark.parametrize("status", [0, 1])
def test_status_of_the_level_is_passed_on(call, status):
    assert call(status) == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("is wrong.", file="x", remedy="Mend it."), 2),
        (InputError("is wrong.", file="x", remedy="Mend it."), 1),
        (OutputError("is wrong.", file="x", remedy="Mend it."), 1),
    ],
)
def test_expected_errors_are_one_line(call, capsys, error, status):
    assert call(error) == status
    assert capsys.readouterr().err == "bids-sr: error: x: is wrong. Mend it.\n"


def test_internal_errors_are_70_without_traceback(call, capsys):
    assert call(ZeroDivisionError("oops")) == 70
    told = capsys.readouterr().err
    assert "internal error (ZeroDivisionError: oops)" in told
    assert "Traceback" not in told


def test_a_request_to_end_is_143_and_unwinds(call):
    before = signal.getsignal(signal.SIGTERM)
    unwound = []

    def stand_in(settings):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            wait()
        finally:
            unwound.append(True)

    assert call(stand_in) == 143
    assert unwound and signal.getsignal(signal.SIGTERM) is before


def test_interruption_is_130(call):
    assert call(KeyboardInterrupt()) == 130


def test_a_request_to_end_that_gets_lost_is_made_again(call, capfd):
    """Python drops what is raised while an object is cleaned up."""

    class Closing:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):  # the handler raises in here
                pass

    def work(settings):
        Closing()
        wait()

    assert call(work) == 143
    assert "Traceback" not in capfd.readouterr().err
