"""Paths of the files shipped with the code, in a checkout, a wheel or a container."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Return the path of a file or folder that ships with the project.

    In a wheel they are in ``bids_sr/_shipped``; in a checkout (including an
    editable install) at the top level.

    Parameters
    ----------
    name : str
        ``"models"`` or ``"version"``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileNotFoundError
        If it is in neither place: the installation is incomplete.
    """
    for candidate in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"'{name}' is missing from this installation of bids_sr: reinstall it.")


def read_version() -> str:
    """Return the version of this installation, for example ``'0.1.0'``."""
    return resource("version").read_text().strip()
