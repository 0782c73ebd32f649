"""The entry point: arguments in, exit status out, no traceback in between."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from bids_sr.app.environment import prepare_environment
from bids_sr.app.parser import parse_arguments
from bids_sr.app.settings import Settings, make_settings
from bids_sr.errors import BidsSrError
from bids_sr.workflow.messages import Messages, configure_messages

EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

_log = logging.getLogger("bids_sr")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the BIDS-App.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line without the program's name; default: the process's own.

    Returns
    -------
    int
        0: all done; 1: a run failed; 2: the command line or the dataset cannot
        be used; 70: internal error; 130 or 143: interrupted.
    """
    try:
        settings = make_settings(parse_arguments(arguments))
        prepare_environment(settings.threads)
        configure_messages(Messages(settings.verbosity))
        with _tidy_end():
            return _run(settings)
    except BidsSrError as error:
        sys.stderr.write(f"bids-sr: error: {error}\n")
        return error.exit_code
    except (KeyboardInterrupt, _Terminated) as end:
        sys.stderr.write("bids-sr: interrupted.\n")
        return EXIT_TERMINATED if isinstance(end, _Terminated) else EXIT_INTERRUPTED
    except Exception as error:
        _log.debug("Internal error", exc_info=True)
        sys.stderr.write(
            f"bids-sr: internal error ({type(error).__name__}: {error}). "
            "Run again with -v for the details and report them.\n"
        )
        return EXIT_INTERNAL


class _Terminated(BaseException):
    """The process was asked to end: by a scheduler whose time is up, say."""


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Make a request to end an exception, so that half-written files are removed."""

    def end(signal_number: int, frame: FrameType | None) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(settings: Settings) -> int:
    # imported late: they pull in the numerical libraries
    if settings.dry_run:
        from bids_sr.app.dry_run import run_dry

        return run_dry(settings)
    if settings.level == "group":
        from bids_sr.app.group import run_group

        return run_group(settings)
    if settings.reports_only:
        from bids_sr.app.reports import run_reports

        return run_reports(settings)
    if settings.boilerplate_only:
        from bids_sr.app.boilerplate import run_boilerplate

        return run_boilerplate(settings)
    from bids_sr.app.participant import run_participants

    return run_participants(settings)


if __name__ == "__main__":
    sys.exit(main())
