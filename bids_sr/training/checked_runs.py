"""Opening runs for training or scoring."""

from __future__ import annotations

from bids_sr.bids.dwi_run import DwiFiles, DwiRun, log_warnings
from bids_sr.diffusion.gradient_check import checked_run
from bids_sr.images.runs import open_run


def open_checked(files: DwiFiles, gradient_check: str) -> DwiRun:
    """Open a run, log warnings about its files, and check its gradient table.

    Parameters
    ----------
    files : DwiFiles
    gradient_check : str
        One of `bids_sr.diffusion.defaults.TRAINING_CHECKS`.

    Returns
    -------
    DwiRun
        The run, with a corrected gradient table if requested.

    Raises
    ------
    InputError
        As raised by `open_run` and `checked_run`.
    """
    run = open_run(files)
    log_warnings(run)
    return checked_run(run, gradient_check).run
