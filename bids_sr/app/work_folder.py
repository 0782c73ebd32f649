"""The work folder: nipype reads pickles from it, so it should be its owner's alone."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

_log = logging.getLogger("bids_sr")


def make_private(folder: Path) -> None:
    """Make the work folder, for its owner alone; one that is there is taken as it is.

    Parameters
    ----------
    folder : pathlib.Path
        From ``--work-dir``.

    Raises
    ------
    OSError
        If it cannot be made.

    Notes
    -----
    nipype keeps the results of steps as pickles. Whoever can write to the folder can
    therefore run code as the one who calls the program again. A folder that everybody may
    write to is told, not refused: in a container it may be the only kind there is.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_mode & stat.S_IWOTH:
        _log.warning(
            "%s: everybody may write to this work folder, and what lies in it is trusted. "
            "Give a folder of your own (-w), or take that right away: chmod o-w.",
            folder,
        )
