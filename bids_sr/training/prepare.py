"""Preparing a DWI run as on-disk arrays that training reads with random access."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from attrs import asdict, frozen

from bids_sr.bids.atomic import write_json
from bids_sr.bids.cache import cache_key, save
from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.bids.locking import lock_path, locked
from bids_sr.images.grid import to_slices
from bids_sr.images.hot_voxels import find_hot_voxels
from bids_sr.images.intensity import robust_scale
from bids_sr.images.nifti import DwiReader
from bids_sr.images.series_checks import SeriesChecks, checked_volumes
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.images.zero_filling import to_acquired
from bids_sr.networks.channels import CHANNELS
from bids_sr.networks.slice_frame import slice_frame
from bids_sr.training.degradation import DEGRADATIONS, add_rician_noise, coarsen
from bids_sr.training.snr import snr_of
from bids_sr.training.views import SeriesView, load_view, save_view, subsets

_LOG = logging.getLogger("bids_sr")


@frozen
class PreparedRun:
    """A run prepared for training: memory-mapped slices at both resolutions."""

    label: str
    """Label of the run."""
    hr: np.ndarray
    """(V, slices, f a, f b), float16, in units of the run's intensity scale."""
    lr: np.ndarray
    """(V, slices, a, b), float16."""
    foreground: np.ndarray
    """Tissue mask, (slices, a, b) bool."""
    views: tuple[SeriesView, ...]
    """Views; the first holds all volumes, the others about a dozen directions each."""
    lr_zooms: tuple[float, float, float]
    """Low-resolution voxel size, mm: both in-plane axes, then across slices."""
    b_values: tuple[int, ...]
    """b-values of the shells, s/mm2."""
    gradients: GradientTable
    """Gradient table of all volumes."""

    @property
    def snr_b0(self) -> float | None:
        """Signal-to-noise ratio of its b0s at low resolution; None if unknown."""
        return snr_of(self.lr, self.foreground, self.gradients.is_b0)


@frozen
class Recipe:
    """Preparation parameters; runs with equal recipes share a cache."""

    factor: int = 2
    """In-plane factor."""
    degradation: str = "kspace"
    """Name in `bids_sr.training.degradation.DEGRADATIONS`."""
    subset: int = 15
    """Directions per smaller view, which exposes the network to the channels of short
    acquisitions; 0 for no smaller views."""
    seed: int = 0
    """Seed for distributing the directions over the smaller views."""
    coarsening: float = 1.0
    """In-plane voxel size relative to the scan's own, >= 1: the scan is first coarsened by a
    k-space crop."""
    scan_noise: float = 0.0
    """Rician noise added to the scan before degradation: standard deviation of the real and of
    the imaginary part, in units of the run's intensity scale."""


def at_acquired_matrix(run: DwiRun, cache: Path) -> DwiRun:
    """Return a run with zero-filling removed, as the app passes it to networks.

    Parameters
    ----------
    run : DwiRun
        As stored.
    cache : pathlib.Path
        Folder of prepared runs; a zero-filled series is copied there.

    Returns
    -------
    DwiRun
        The run itself if it was not zero-filled.

    Raises
    ------
    InputError
        If the run cannot be read.
    """
    out = cache / f"{run.files.label}-{cache_key(run)}-acquired.nii"
    with locked(lock_path(cache, out.stem)):
        return to_acquired(run, out, whole=True, keep=True)


def prepare_run(run: DwiRun, cache: Path, recipe: Recipe) -> PreparedRun:
    """Degrade a run, compute its shared channels, and store everything on disk.

    Parameters
    ----------
    run : DwiRun
        High-resolution run.
    cache : pathlib.Path
        Folder of prepared runs; a run is prepared once per recipe.
    recipe : Recipe
        Preparation parameters.

    Returns
    -------
    PreparedRun
        Its arrays are memory maps.

    Raises
    ------
    InputError
        If the run cannot be read.
    """
    run = at_acquired_matrix(run, cache)
    folder = cache / f"{run.files.label}-{cache_key(run, asdict(recipe), CHANNELS)}"
    write_once(run, folder, lambda: _write_run(run, folder, recipe))
    return _open_prepared(folder, run.gradients)


def write_once(run: DwiRun, folder: Path, write: Callable[[], None]) -> None:
    """Fill a folder of prepared arrays unless complete; ``run.json`` is written last.

    Parameters
    ----------
    run : DwiRun
        Run to prepare.
    folder : pathlib.Path
        Folder to fill; locked, so that only one call works on it at a time.
    write : callable
        Writes the arrays.
    """
    with locked(lock_path(folder, "run")):
        if not (folder / "run.json").exists():
            _LOG.info("Preparing %s", run.files.label)
            write()


def _write_run(run: DwiRun, folder: Path, recipe: Recipe) -> None:
    factor, coarsening = recipe.factor, recipe.coarsening
    with DwiReader(run.files.dwi) as reader:
        axis = slice_axis_of(run, reader.meta)
        frame = slice_frame(reader.affine, axis, across=0)
        checks = SeriesChecks(run.files.sidecar)
        series = coarse_slices(checked_volumes(reader, checks), axis, factor, coarsening)
        reader.refuse_nonfinite()
        checks.refuse_signed(run.files.dwi, "networks are trained on magnitudes")
        in_plane = in_plane_sides(reader.zooms, reader.shape, axis, factor, coarsening)
    gradients = run.gradients
    reference = np.flatnonzero(gradients.is_b0)
    scale = robust_scale(series[int(reference[0]) if reference.size else 0].astype(np.float32))
    series /= scale
    if recipe.scan_noise:
        generator = torch.Generator().manual_seed(recipe.seed)
        series = add_rician_noise(torch.from_numpy(series), recipe.scan_noise, generator).numpy()
    lr = DEGRADATIONS[recipe.degradation](torch.from_numpy(series), factor).numpy()
    save(folder / "hr.npy", series.astype(np.float16))
    save(folder / "lr.npy", lr.astype(np.float16))
    save(folder / "foreground.npy", foreground(lr))
    parts = subsets(gradients, recipe.subset, recipe.seed)
    choices = [list(range(gradients.n_volumes)), *parts]
    for number, chosen in enumerate(choices):
        save_view(folder, number, gradients, lr, chosen, frame)
    facts = {
        "label": run.files.label,
        "views": len(choices),
        "lr_zooms": [round(z, 4) for z in (*in_plane, reader.zooms[axis])],
        "b_values": [round(shell.bval) for shell in gradients.shells],
    }
    write_json(folder / "run.json", facts)


def _coarse(pixels: int, factor: int, coarsening: float) -> int:
    return round(pixels / coarsening / factor) * factor


def in_plane_sides(
    zooms: Sequence[float], shape: Sequence[int], axis: int, factor: int, coarsening: float
) -> list[float]:
    """Return the low-resolution in-plane voxel sizes, mm, (2,)."""
    return [
        factor * zooms[i] * n / (_coarse(n, factor, coarsening) if coarsening > 1 else n)
        for i, n in enumerate(shape[:3])
        if i != axis
    ]


def coarse_slices(
    volumes: Iterable[np.ndarray], axis: int, factor: int, coarsening: float
) -> np.ndarray:
    """Return coarsened slices without hot voxels, cropped to multiples of the factor.

    Parameters
    ----------
    volumes : iterable of numpy.ndarray
        (x, y, z) arrays.
    axis : int
        Axis across the slices.
    factor : int
        In-plane factor.
    coarsening : float
        In-plane voxel size relative to that of `volumes`, >= 1.

    Returns
    -------
    numpy.ndarray
        (V, slices, A, B), float32, non-negative.
    """
    series = []
    for volume in volumes:
        # hot voxels must not be learned, neither as input nor as target
        slices = to_slices(find_hot_voxels(volume, axis).taken_out(volume), axis)
        if coarsening > 1:
            rows, columns = (_coarse(n, factor, coarsening) for n in slices.shape[1:])
            whole = torch.from_numpy(np.ascontiguousarray(slices, dtype=np.float32))
            slices = coarsen(whole, (rows, columns)).numpy()
        rows, columns = (n - n % factor for n in slices.shape[1:])
        series.append(np.maximum(slices[:, :rows, :columns], 0))
    return np.stack(series)


def foreground(lr: np.ndarray) -> np.ndarray:
    """Return a tissue mask, (slices, a, b), from volumes (V, slices, a, b)."""
    from skimage.filters import threshold_otsu

    mean = lr.mean(axis=0)
    return mean > 0.5 * threshold_otsu(mean)


def _open_prepared(folder: Path, gradients: GradientTable) -> PreparedRun:
    facts = json.loads((folder / "run.json").read_text())

    def load(name: str) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r")

    views = tuple(load_view(folder, number) for number in range(facts["views"]))
    x, y, z = facts["lr_zooms"]
    return PreparedRun(
        label=facts["label"],
        hr=load("hr"),
        lr=load("lr"),
        foreground=load("foreground"),
        views=views,
        lr_zooms=(x, y, z),
        b_values=tuple(facts["b_values"]),
        gradients=gradients,
    )
