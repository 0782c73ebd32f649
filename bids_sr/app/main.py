"""The entry point: from arguments to exit status, without tracebacks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bids_sr.app.environment import prepare_environment
from bids_sr.app.parser import parse_arguments
from bids_sr.app.settings import Settings, make_settings
from bids_sr.entry_point import run_command
from bids_sr.workflow.messages import Messages, configure_messages


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
    given = sys.argv[1:] if arguments is None else list(arguments)

    def work() -> int:
        settings = make_settings(parse_arguments(given))
        prepare_environment(settings.threads)
        configure_messages(Messages(settings.verbosity))
        return _run(settings)

    return run_command("bids-sr", work, given)


def _run(settings: Settings) -> int:
    # imported late: they import the numerical libraries
    if settings.dry_run:
        from bids_sr.app.dry_run import run_dry

        return run_dry(settings)
    if settings.level == "group":
        from bids_sr.app.group import run_group

        return run_group(settings)
    if settings.reports_only:
        from bids_sr.app.reports_only import run_reports

        return run_reports(settings)
    if settings.boilerplate_only:
        from bids_sr.app.boilerplate import run_boilerplate

        return run_boilerplate(settings)
    from bids_sr.app.participant import run_participants

    return run_participants(settings)


if __name__ == "__main__":
    sys.exit(main())
