"""What goes to the screen, what to the file, and what libraries may say."""

from __future__ import annotations

import logging
import warnings

import pytest

from bids_sr.workflow.messages import Messages, configure_messages

NAMES = ("bids_sr", "nipype", "nipype.workflow", "py.warnings")


@pytest.fixture(autouse=True)
def own_loggers():
    """Put the loggers back as they were."""
    before = {name: logging.getLogger(name) for name in NAMES}
    state = {name: (list(log.handlers), log.level) for name, log in before.items()}
    yield
    configure_messages(Messages())  # closes the log file
    logging.captureWarnings(False)
    for name, (handlers, level) in state.items():
        before[name].handlers[:] = handlers
        before[name].setLevel(level)


def test_screen_shows_progress_and_marks_warnings(capsys):
    configure_messages(Messages())
    logger = logging.getLogger("bids_sr")
    logger.debug("a detail")
    logger.info("progress")
    logger.warning("careful")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["progress", "warning: careful"]


def test_libraries_go_to_the_file_alone(capsys, tmp_path):
    configure_messages(Messages(0, tmp_path / "logs" / "log.txt"))
    logging.getLogger("bids_sr").debug("a detail")
    logging.getLogger("nipype.workflow").error("a traceback")
    warnings.warn("a deprecation", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == ""
    text = (tmp_path / "logs" / "log.txt").read_text()
    assert "a detail" in text and "a traceback" in text and "a deprecation" in text


def test_vv_shows_libraries_too(capsys):
    configure_messages(Messages(2))
    logging.getLogger("nipype.workflow").error("of nipype")
    assert "of nipype" in capsys.readouterr().err


def test_nipype_adds_no_handler_of_its_own(capsys):
    configure_messages(Messages())
    from nipype import config
    from nipype.utils.logger import Logging

    Logging(config)
    logging.getLogger("nipype.workflow").error("to nobody")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_called_again_it_does_not_double(capsys):
    configure_messages(Messages())
    configure_messages(Messages())
    logging.getLogger("bids_sr").info("once")
    assert capsys.readouterr().err.count("once") == 1
