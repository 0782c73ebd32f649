"""Importing pybids as it comes: what users set up for themselves has no say here."""

from __future__ import annotations

from contextlib import chdir

from bids_sr.errors import UsageError

_FILE = "pybids_config.json"


def load_pybids() -> None:
    """Import pybids with its own settings.

    It looks for others in the working directory and the home folder while it is imported;
    they could change what names mean.

    Raises
    ------
    UsageError
        If those in the home folder are damaged.
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
