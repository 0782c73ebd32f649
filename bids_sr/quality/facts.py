"""Facts recorded for every run, planned or finished: grids, network, versions."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.grid import SliceGrid
from bids_sr.networks.card import ModelCard
from bids_sr.resources import read_version

PACKAGES = ("torch", "dipy", "numpy", "nibabel", "nipype", "pybids")
"""Packages whose versions are recorded."""


def grid_facts(run: DwiRun, grid: SliceGrid) -> dict[str, str]:
    """Return voxel sizes and in-plane matrices: as stored, as acquired, and of the output.

    Parameters
    ----------
    run : DwiRun
        Gives the stored grid where it is finer than the acquired one.
    grid : SliceGrid
        The acquired grid and the factor.

    Returns
    -------
    dict of str to str
    """
    stored = run.stored
    return {
        "acquired_matrix": _times(str(grid.shape[axis]) for axis in grid.in_plane),
        "stored_matrix": _times(
            str((stored.shape if stored else grid.shape)[axis]) for axis in grid.in_plane
        ),
        "input_zooms_mm": _sizes(grid.zooms),
        "stored_zooms_mm": _sizes(stored.zooms if stored else grid.zooms),
        "output_zooms_mm": _sizes(grid.fine_zooms),
    }


def network_facts(card: ModelCard) -> dict[str, str | int | None]:
    """Return the network, the factor, and the versions of this program and of `PACKAGES`."""
    return {
        "scale_factor": card.factor,
        "model": card.name,
        "model_sha256": card.sha256,
        "version": read_version(),
        **{f"{package}_version": _version(package) for package in PACKAGES},
    }


def _sizes(zooms: Iterable[float]) -> str:
    return _times(f"{size:.2f}" for size in zooms)


def _times(sides: Iterable[str]) -> str:
    return "x".join(sides)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
