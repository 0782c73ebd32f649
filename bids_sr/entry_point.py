"""Start and end of a command: every failure gives one line and an exit status."""

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
"""Seconds after which a lost termination request is repeated."""

_FILES, _FEWEST_FILES = 4096, 64
"""Limit on open files: the number requested, and the minimum that libraries need."""

_LEAST_ADDRESS_SPACE = 10**9
"""Bytes. PyTorch alone takes more; with less, the OpenBLAS of numpy and scipy does not fail but
retries forever."""

_log = logging.getLogger("bids_sr")


def run_command(program: str, work: Callable[[], int], arguments: list[str]) -> int:
    """Run a command, and report a failure in one line.

    Parameters
    ----------
    program : str
        Name of the command, at the start of the line.
    work : callable
        Returns an exit status.
    arguments : list of str
        Command-line arguments.

    Returns
    -------
    int
        What `work` returned; 1 or 2 after an error that the user can fix; 70 after a bug;
        130 or 143 if the process was interrupted or terminated.
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
    """Parse the arguments of a command, start its log on stderr, and run it.

    Parameters
    ----------
    program : str
        Name of the command.
    build_parser : callable
        Returns the parser.
    work : callable
        Called with the parsed arguments and the original ones.
    argv : sequence of str, optional
        Command-line arguments; default: those of the process.
    log : str
        Log format.

    Returns
    -------
    int
        0 on success; otherwise as `run_command`.
    """
    given = sys.argv[1:] if argv is None else list(argv)

    def logged() -> int:
        arguments = build_parser().parse_args(given)
        logging.basicConfig(level=logging.INFO, format=log, datefmt="%H:%M:%S")
        work(arguments, given)
        return 0

    return run_command(program, logged, given)


class Terminated(BaseException):
    """The process was asked to terminate, for example by a scheduler at its time limit."""


def open_streams() -> None:
    """Open the standard streams that the process was started without.

    Otherwise the next opened file would get their descriptors, and output of libraries would
    end up in it.
    """
    for number, mode in ((0, "r"), (1, "w"), (2, "w")):
        name = ("stdin", "stdout", "stderr")[number]
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            os.dup2(handle, number)  # also if equal: makes it inheritable by child processes
            if handle != number:
                os.close(handle)
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        # a file name that is not UTF-8, or a character the terminal lacks, must not cause a failure
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def check_place(arguments: list[str]) -> None:
    """Raise if this Python, its working directory or the arguments cannot be used.

    Parameters
    ----------
    arguments : list of str
        Command-line arguments.

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
        folder = os.getcwd()  # noqa: PTH109 - only checked for access
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
    """Raise the limit on open files as far as the system allows; fail if it is too low."""
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
    with suppress(OSError, ValueError):  # no reader is left
        sys.stderr.write(f"{' '.join(line.split())}\n")
        sys.stderr.flush()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # Python would flush again at exit, and report the failure
        with suppress(OSError):
            handle = os.open(os.devnull, os.O_WRONLY)
            os.dup2(handle, 1)
            os.close(handle)


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Turn a termination signal into an exception, so that half-written files are removed."""

    def end(signal_number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def again(lost: sys.UnraisableHookArgs) -> None:
        # it arrived in a finalizer, from which no exception propagates
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
