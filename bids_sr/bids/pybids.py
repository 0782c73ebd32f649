"""Importing pybids with its default settings, whatever users have configured."""

from __future__ import annotations

from contextlib import chdir

from bids_sr.errors import UsageError

_FILE = "pybids_config.json"


def load_pybids() -> None:
    """Import pybids with its default settings.

    On import it reads settings from the working directory and the home folder, which could change
    how names are parsed.

    Raises
    ------
    UsageError
        If the settings in the home folder are damaged.
    """
    try:
        with chdir("/"):
            import bids.config
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(
            f"pybids cannot be loaded ({' '.join(str(error).split())}).",
            remedy=f"Repair or remove {_FILE} in your home folder.",
        ) from error
    bids.config.reset_options()
