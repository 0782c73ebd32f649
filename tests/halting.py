"""Calls of the program that halt at each change of a folder, for a test that interferes there.

Nothing is waited for by the clock: before the program changes a file in the folder, it asks
over a socket and goes on when the test lets it. So the test sees every state that the folder
goes through, and may end the program in any of them.
"""

from __future__ import annotations

import os
import secrets
import select
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

# imported by the program and its workers before anything else
_HOOK = """
import os, socket, sys

ADDRESS, FOLDER = {address!r}, {folder!r} + os.sep
PATHS = {{"open": 0, "os.mkdir": 0, "os.remove": 0, "os.rename": 1, "os.link": 1}}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def ask(event, arguments):
    if event not in PATHS or (event == "open" and not arguments[2] & WRITES):
        return
    path = arguments[PATHS[event]]
    if isinstance(path, int) or not os.path.abspath(os.fsdecode(path)).startswith(FOLDER):
        return
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(ADDRESS)
            line.recv(1)
    except OSError:  # nobody is there any more
        pass

sys.addaudithook(ask)
"""


class Halting:
    """Start programs that halt before each change of a folder.

    Parameters
    ----------
    folder : pathlib.Path
        What is changed in it, and below, is asked for.
    """

    def __init__(self, folder):
        address = f"\0bids_sr-{secrets.token_hex(16)}"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(address)
        self._socket.listen(128)
        self._held = None
        self._site = tempfile.TemporaryDirectory()
        hook = _HOOK.format(address=address, folder=str(folder))
        Path(self._site.name, "sitecustomize.py").write_text(hook)
        path = os.pathsep.join([self._site.name, os.environ.get("PYTHONPATH", "")])
        self.environment = {**os.environ, "PYTHONPATH": path}
        """That of programs which are to halt."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, line):
        """Start a program; its standard error is a pipe."""
        return subprocess.Popen(
            line,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def until(self, call, condition):
        """Let a program go on until the condition holds as it halts; False if it ended before."""
        end = os.pidfd_open(call.pid)
        try:
            while self._next(end):
                if condition():
                    return True
            return False
        finally:
            os.close(end)

    def count(self, call):
        """Let a program go on to its end; returns how often it halted."""
        halts = []
        self.until(call, lambda: halts.append(True))
        return len(halts)

    @contextmanager
    def looking(self, look):
        """Call a function each time that one of the programs halts, in a thread."""
        over, end = os.pipe()

        def serve():
            while self._next(over):
                look()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            os.close(end)
            thread.join()
            os.close(over)

    def close(self):
        """Let all go on, and never ask again."""
        self._go_on()
        self._socket.close()
        self._site.cleanup()

    def _next(self, end):
        """Wait until a program halts; False if `end` can be read and none does."""
        self._go_on()
        ready, _, _ = select.select([self._socket, end], [], [])
        if self._socket not in ready:
            return False
        self._held, _ = self._socket.accept()
        return True

    def _go_on(self):
        if self._held is not None:
            self._held.close()
            self._held = None


def after(number):
    """Return a condition that holds from its call with this number on."""
    calls = iter(range(1, number))
    return lambda: next(calls, None) is None
