"""The group level: one table and one page for all runs."""

from __future__ import annotations

import logging

from bids_sr.app.settings import Settings

_log = logging.getLogger("bids_sr")


def run_group(settings: Settings) -> int:
    """Write the group table and page from the records in the output folder.

    Parameters
    ----------
    settings : Settings
        Its output folder is read and written; images are not needed. The input datasets, if
        available, show which participants have no output yet.

    Returns
    -------
    int
        Exit status, 0.

    Raises
    ------
    UsageError
        If there are no records.
    """
    from bids_sr.bids.older_outputs import warn_of_older
    from bids_sr.report.group import write_group

    warn_of_older(settings.output_dir)
    datasets = [settings.bids_dir, *(path for _, path in settings.derivatives)]
    for path in write_group(settings.output_dir, datasets):
        _log.info("Written: %s", path)
    return 0
