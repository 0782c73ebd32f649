"""The only module that sets environment variables, before libraries read them."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from bids_sr.errors import UsageError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_HOME_VARIABLES = ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")


def prepare_environment(threads: int) -> None:
    """Set the variables that numpy, torch, matplotlib and nipype read on import.

    Parameters
    ----------
    threads : int
        CPU cores that the numerical libraries may use.

    Raises
    ------
    UsageError
        If there is no folder for temporary files, as with a read-only root and no ``/tmp``.

    Notes
    -----
    Nothing is sent anywhere: nipype's check for new versions is disabled. Users' configuration
    files for matplotlib and fsspec are ignored (`bids_sr.workflow.engine` does so for nipype,
    `bids_sr.bids.pybids` for pybids). In a container the home folder may be missing or read-only;
    caches then go to a temporary folder that is removed at the end.
    """
    _check_temporary_folder()
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    # numpy's products run in our own threads, each with a part of the voxels
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["NIPYPE_NO_ET"] = os.environ["NO_ET"] = "1"
    os.environ["MPLBACKEND"] = "Agg"
    # settings meant for the user's own programs
    os.environ["MATPLOTLIBRC"] = os.environ["FSSPEC_CONFIG_DIR"] = os.devnull
    os.environ.pop("PYBIDS_CONFIG", None)
    missing = [variable for variable in _HOME_VARIABLES if variable not in os.environ]
    if not _home_is_writable():
        cache = tempfile.mkdtemp(prefix="bids_sr-home-")
        atexit.register(shutil.rmtree, cache, ignore_errors=True)
        os.environ.update(dict.fromkeys(missing, cache))
        if not _home():
            os.environ["HOME"] = cache


def container() -> dict[str, str] | None:
    """Return the entry of dataset_description.json for the container, if there is one.

    Returns
    -------
    dict or None
        ``Type`` and ``Tag``; the image gives its tag in ``BIDS_SR_CONTAINER_TAG``.
    """
    tag = os.environ.get("BIDS_SR_CONTAINER_TAG")
    if not tag:
        return None
    apptainer = "APPTAINER_CONTAINER" in os.environ or "SINGULARITY_CONTAINER" in os.environ
    return {"Type": "apptainer" if apptainer else "docker", "Tag": tag}


def _check_temporary_folder() -> None:
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise UsageError(
            "there is no folder for temporary files.",
            remedy="Set TMPDIR to a writable folder; in a container mount one on /tmp "
            "(docker run --tmpfs /tmp).",
        ) from error


def _home_is_writable() -> bool:
    home = _home()
    return home is not None and os.access(home, os.R_OK | os.W_OK | os.X_OK)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # neither HOME nor an entry in the user database
        return None
