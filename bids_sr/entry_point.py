"""How a command begins and ends: whatever happens, one line and an exit status."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from bids_sr.errors import UsageError
from bids_sr.system_errors import described, is_utf8, not_utf8, out_of_memory

EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

_AGAIN_S = 0.05
"""After so long a request to end that got lost is made again."""

_FILES, _FEWEST_FILES = 4096, 64
"""Files that may be open: as many as are asked for, and as few as libraries can live with."""

_LEAST_ADDRESS_SPACE = 10**9
"""Bytes. PyTorch alone takes more; with less, the OpenBLAS of numpy and scipy does not fail but
tries again for ever."""

_log = logging.getLogger("bids_sr")


def run_command(program: str, work: Callable[[], int], arguments: list[str]) -> int:
    """Do the work of a command, and say in one line why it could not be done.

    Parameters
    ----------
    program : str
        Name of the command, with which the line begins.
    work : callable
        Returns an exit status.
    arguments : list of str
        Of the command line.

    Returns
    -------
    int
        What `work` returned; 1 or 2 after an error that a user can mend; 70 after a bug;
        130 or 143 if the process was interrupted or asked to end.
    """
    open_streams()
    try:
        check_place(arguments)
        with _tidy_end():
            status = work()
        sys.stdout.flush()
        return status
    except (KeyboardInterrupt, Terminated) as end:
        _tell(f"{program}: interrupted.")
        return EXIT_TERMINATED if isinstance(end, Terminated) else EXIT_INTERRUPTED
    except Exception as error:
        known = described(error)
        _log.debug("%s", error, exc_info=True)
        if known is not None:
            _tell(f"{program}: error: {known}")
            return known.exit_code
        _tell(
            f"{program}: internal error ({type(error).__name__}: {error}). "
            "Run again with -v for the details and report them."
        )
        return EXIT_INTERNAL


def run_logged_command(
    program: str,
    build_parser: Callable[[], argparse.ArgumentParser],
    work: Callable[[argparse.Namespace, list[str]], None],
    argv: Sequence[str] | None = None,
    log: str = "%(asctime)s %(message)s",
) -> int:
    """Parse the arguments of a command, start its log on stderr, and do its work.

    Parameters
    ----------
    program : str
        Name of the command.
    build_parser : callable
        Returns the parser.
    work : callable
        Takes the parsed arguments, and those as given.
    argv : sequence of str, optional
        Arguments; default: those of the process.
    log : str
        Format of a line of the log.

    Returns
    -------
    int
        0 done; else as `run_command`.
    """
    given = sys.argv[1:] if argv is None else list(argv)

    def logged() -> int:
        arguments = build_parser().parse_args(given)
        logging.basicConfig(level=logging.INFO, format=log, datefmt="%H:%M:%S")
        work(arguments, given)
        return 0

    return run_command(program, logged, given)


class Terminated(BaseException):
    """The process was asked to end: by a scheduler whose time is up, say."""


def open_streams() -> None:
    """Give the process those of its three streams that it was started without.

    A file that is opened next would else get their numbers, and what libraries say would be
    written into it.
    """
    for number, mode in ((0, "r"), (1, "w"), (2, "w")):
        name = ("stdin", "stdout", "stderr")[number]
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            os.dup2(handle, number)  # also if it is the same: processes that are started get it
            if handle != number:
                os.close(handle)
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        # a name that is not UTF-8, or a letter that the terminal lacks, is no reason to fail
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def check_place(arguments: list[str]) -> None:
    """Raise if this Python, its working directory or the arguments cannot be worked with.

    Parameters
    ----------
    arguments : list of str
        Of the command line.

    Raises
    ------
    UsageError
    """
    if sys.flags.optimize > 1:
        raise UsageError(
            "Python runs without docstrings, which libraries read.",
            remedy="Take PYTHONOPTIMIZE=2 out of the environment, or -OO out of the command.",
        )
    try:
        folder = os.getcwd()  # noqa: PTH109 - it is not a path to go on with
        os.chdir(folder)
    except OSError as error:
        raise UsageError(
            f"the working directory cannot be used ({error.strerror}).",
            remedy="Change to a folder that is there: cd.",
        ) from error
    _check_address_space()
    _allow_files()
    for text in (*arguments, folder):
        if not is_utf8(text):
            raise not_utf8(text)


def _check_address_space() -> None:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < _LEAST_ADDRESS_SPACE:
        raise out_of_memory(": the libraries need more")


def _allow_files() -> None:
    """Let as many files be open as the system allows, and raise if they are too few."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if 0 <= soft < _FEWEST_FILES:
        raise UsageError(
            f"no more than {soft} files may be open at a time.",
            remedy=f"Raise that limit (ulimit -n) to {_FEWEST_FILES} or more.",
        )


def _tell(line: str) -> None:
    with suppress(OSError, ValueError):  # nobody is there to read it
        sys.stderr.write(f"{' '.join(line.split())}\n")
        sys.stderr.flush()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # Python would try again at its end, and say so
        with suppress(OSError):
            handle = os.open(os.devnull, os.O_WRONLY)
            os.dup2(handle, 1)
            os.close(handle)


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Make a request to end an exception, so that half-written files are removed."""

    def end(signal_number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def again(lost: sys.UnraisableHookArgs) -> None:
        # it came while Python cleaned up an object, where no exception gets out
        if isinstance(lost.exc_value, Terminated | KeyboardInterrupt):
            asked = signal.SIGTERM if isinstance(lost.exc_value, Terminated) else signal.SIGINT
            threading.Timer(_AGAIN_S, os.kill, (os.getpid(), asked)).start()
        else:
            hook(lost)

    hook, sys.unraisablehook = sys.unraisablehook, again
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.unraisablehook = hook
