"""The one place that touches environment variables, before the libraries read them."""

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
    """Set what numpy, torch, matplotlib and nipype read when they are imported.

    Parameters
    ----------
    threads : int
        CPU cores that the numerical libraries may use.

    Raises
    ------
    UsageError
        If there is no folder for temporary files, as with a read-only root and nothing on
        ``/tmp``.

    Notes
    -----
    Nothing is sent anywhere: nipype's look for new versions is switched off. Files with
    which users set up matplotlib and fsspec for themselves are passed over
    (`bids_sr.workflow.engine` does so for nipype, `bids_sr.bids.pybids` for pybids). In a
    container the home folder may be missing or read-only; what would be kept there goes into
    a temporary folder that is removed at the end.
    """
    _check_temporary_folder()
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    # numpy's products run in threads of our own, each with a part of the voxels
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["NIPYPE_NO_ET"] = os.environ["NO_ET"] = "1"
    os.environ["MPLBACKEND"] = "Agg"
    # settings for programs of the user's own
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
    """Return what dataset_description.json says of the container this runs in, if any.

    Returns
    -------
    dict or None
        ``Type`` and ``Tag``; the image tells its tag by ``BIDS_SR_CONTAINER_TAG``.
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
            remedy="Set TMPDIR to a folder that can be written; in a container put one on /tmp "
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
