"""Worker processes, each running steps one after another."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from traceback import format_exc, format_exception
from typing import Any

from bids_sr.workflow.messages import Messages, configure_messages

KILLED = "killed"
"""Outcome of a step whose process was killed."""

# not forked: CUDA and OpenMP do not survive a fork
_SPAWN = multiprocessing.get_context("spawn")


class Worker:
    """A worker process; it ends when this one does, for whatever reason.

    Parameters
    ----------
    messages : Messages
        Its log settings.
    gpu : str, optional
        The GPU that its steps compute on, for example ``cuda:0``; empty for the planned GPU. None:
        its steps need none.
    """

    def __init__(self, messages: Messages, gpu: str | None = None) -> None:
        self.gpu = gpu
        self.step: Any = None
        """The node that it runs; None while idle."""
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_work, args=(theirs, Path.cwd(), messages))
        self._process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self._process.is_alive()

    def start(self, step: Any) -> str | None:
        """Start a node; return a traceback if it cannot be sent."""
        try:
            self._connection.send(step)
        except OSError:  # it was killed: `ended` reports that
            pass
        except Exception as error:
            return "".join(format_exception(error))
        self.step = step
        return None

    def outcome(self) -> tuple[Any, str | None]:
        """Return the step that ended, and its traceback, `KILLED`, or None on success."""
        step, self.step = self.step, None
        try:
            if self._connection.poll():
                return step, self._connection.recv()
        except (EOFError, OSError):
            pass
        self._process.kill()  # it may still be listed for a moment
        self._process.join()
        return step, KILLED


def ended(workers: Iterable[Worker]) -> list[Worker]:
    """Wait until one or more workers have ended their step, or died."""
    signs: dict[Any, Worker] = {}
    for worker in workers:
        signs |= dict.fromkeys((worker._connection, worker._process.sentinel), worker)
    return list(dict.fromkeys(signs[sign] for sign in wait(signs)))


def dismiss(workers: Sequence[Worker]) -> None:
    """End the processes of workers, even in the middle of a step."""
    for worker in workers:
        worker._connection.close()  # this ends an idle worker
        if worker.step is not None:
            worker._process.terminate()
    for worker in workers:
        worker._process.join()


def _work(connection: Connection, folder: Path, messages: Messages) -> None:
    import bids_sr.workflow.engine  # noqa: F401 - before a node imports nipype itself

    os.chdir(folder)
    configure_messages(messages)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            step = connection.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        except BaseException:  # the step cannot be read here
            connection.send(format_exc())
            continue
        connection.send(_run(step))


def _run(step: Any) -> str | None:
    try:
        step.run()
    except BaseException:
        return format_exc()
    return None


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
