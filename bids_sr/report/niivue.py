"""The 3D viewer, niivue, as published: stored once in the output folder for all 3D pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from bids_sr.bids.atomic import atomic_path

_ASSETS = Path(__file__).with_name("assets")
VERSION = "0.69.0"
"""Version of the viewer: part of its name, so that pages of other versions keep theirs."""
_SHIPPED = ("umd.js", "LICENSE.txt")
"""Endings of its files: the viewer, and its licence."""


def write_viewer(out_dir: Path) -> tuple[str, str]:
    """Write the viewer and its licence, once for all participants.

    Several processes may do so at once: files are written whole, and existing ones are kept.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top folder of the derivative dataset.

    Returns
    -------
    tuple of str
        Both files, relative to it: ``figures/niivue-<version>.umd.js`` and its licence.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    viewer, licence = (f"figures/niivue-{VERSION}.{ending}" for ending in _SHIPPED)
    (out_dir / "figures").mkdir(parents=True, exist_ok=True)
    for name, ending in ((viewer, _SHIPPED[0]), (licence, _SHIPPED[1])):
        shipped, path = _ASSETS / f"niivue.{ending}", out_dir / name
        if not _is_whole(path, shipped):
            with atomic_path(path) as temporary:
                shutil.copyfile(shipped, temporary)
    return viewer, licence


def restore_viewer(out_dir: Path, pages: Iterable[Path]) -> None:
    """Write the viewer again if a 3D page needs this version of it.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top folder of the derivative dataset.
    pages : iterable of pathlib.Path
        3D pages; need not exist.
    """
    name = f"niivue-{VERSION}."
    if any(path.is_file() and name in path.read_text("utf-8", "replace") for path in pages):
        write_viewer(out_dir)


def _is_whole(path: Path, shipped: Path) -> bool:
    try:
        return path.stat().st_size == shipped.stat().st_size
    except OSError:
        return False
