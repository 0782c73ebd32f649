"""Logging to screen and file, in the main process and in workers."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from attrs import frozen

_FILE_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
_LIBRARIES = ("nipype", "py.warnings")


@frozen
class Messages:
    """Verbosity, and the log file."""

    verbosity: int = 0
    """0: progress and warnings; 1: details; 2: nipype's messages too."""
    log_file: Path | None = None
    """Log file, with all messages from details upwards."""


class _Terse(logging.Formatter):
    """Time and message; the level only for warnings and errors."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, marked if it is a warning or an error."""
        line = super().format(record)
        if record.levelno < logging.WARNING:
            return line
        time, _, message = line.partition(" ")
        return f"{time} {record.levelname.lower()}: {message}"


class _Patient(logging.FileHandler):
    """A log file that ignores write errors, such as a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say nothing: Python would print a traceback for each line."""


def configure_messages(messages: Messages) -> None:
    """Configure the loggers of this process; another call replaces the configuration.

    Parameters
    ----------
    messages : Messages
    """
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(_Terse())
    screen.setLevel(logging.DEBUG if messages.verbosity else logging.INFO)
    handlers: list[logging.Handler] = [screen]
    file = _file_handler(messages.log_file)
    if file is not None:
        handlers.append(file)
    _attach(logging.getLogger("bids_sr"), handlers, logging.DEBUG)
    # messages of libraries go to the log file only: users cannot act on them
    quiet = handlers if messages.verbosity > 1 else handlers[1:]
    logging.captureWarnings(True)
    for name in _LIBRARIES:
        # always with a handler: otherwise nipype would add its own, to standard output
        _attach(logging.getLogger(name), quiet or [logging.NullHandler()], logging.INFO)


def _attach(logger: logging.Logger, handlers: list[logging.Handler], level: int) -> None:
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(level)


def _file_handler(path: Path | None) -> logging.Handler | None:
    if path is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _Patient(path, mode="a", encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setFormatter(logging.Formatter(_FILE_FORMAT))
    return handler
