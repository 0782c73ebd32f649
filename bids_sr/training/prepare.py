"""Turning a DWI run into arrays that training reads at random from disk."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from attrs import frozen
from filelock import FileLock

from bids_sr.bids.atomic import atomic_path, write_json
from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.images.grid import choose_slice_axis, to_slices
from bids_sr.images.intensity import robust_scale
from bids_sr.images.nifti import DwiReader
from bids_sr.networks.channels import CHANNELS, SeriesConditioning
from bids_sr.training.degradation import DEGRADATIONS, add_rician_noise, coarsen

_LOG = logging.getLogger("bids_sr")
_FORMAT = 3
"""Raise when the arrays change, so that an old cache is not read."""


@frozen
class SeriesView:
    """One choice of volumes of a run, with the channels that this choice shares."""

    volumes: np.ndarray
    """Indices into the run's volumes, (V',)."""
    shared: np.ndarray
    """Channels beside the slice itself, (V', channels - 1, slices, a, b), float16."""
    is_b0: np.ndarray
    """Which of the view's volumes are b0, (V',) bool."""
    level: np.ndarray
    """Bright tissue's signal of each volume's shell, in units of the run's scale, (V',)."""


@frozen
class PreparedRun:
    """A run as training sees it: memory-mapped slices of both resolutions."""

    label: str
    """Name of the run."""
    hr: np.ndarray
    """(V, slices, f a, f b), float16, in units of the run's intensity scale."""
    lr: np.ndarray
    """(V, slices, a, b), float16."""
    foreground: np.ndarray
    """Where there is tissue, (slices, a, b) bool."""
    views: tuple[SeriesView, ...]
    """The first holds all volumes; the others a dozen or so directions each."""
    lr_zooms: tuple[float, float, float]
    """Low-resolution voxel size, mm: both in-plane axes, then across slices."""
    b_values: tuple[int, ...]
    """Shells, s/mm2."""


def prepare_run(
    run: DwiRun,
    cache: Path,
    *,
    factor: int,
    degradation: str = "kspace",
    subset: int = 15,
    seed: int = 0,
    coarsening: float = 1.0,
    noise: float = 0.0,
) -> PreparedRun:
    """Degrade a run, compute its shared channels, and keep all of it on disk.

    Parameters
    ----------
    run : DwiRun
        High-resolution run.
    cache : pathlib.Path
        Folder of prepared runs; a run is prepared once per set of parameters.
    factor : int
        In-plane factor.
    degradation : str
        Name in `bids_sr.training.degradation.DEGRADATIONS`.
    subset : int
        Directions per smaller view, so that the network also meets the channels
        of short acquisitions; 0 for none.
    seed : int
        Deals the directions out to the smaller views.
    coarsening : float
        In-plane voxel size over the scan's own, >= 1: the scan is first made
        coarser by a k-space crop.
    noise : float
        Rician noise added to the scan before it is degraded: standard deviation
        per real and imaginary part, in units of the run's intensity scale.

    Returns
    -------
    PreparedRun
        Arrays are memory maps.

    Raises
    ------
    InputError
        If the run cannot be read.
    """
    facts = [factor, degradation, subset, seed, coarsening, *([noise] if noise else [])]
    folder = cache / f"{run.files.label}-{_key(run, *facts)}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "run.json").exists():
            _LOG.info("Preparing %s", run.files.label)
            _write_run(run, folder, factor, degradation, subset, seed, coarsening, noise)
    return _open_prepared(folder)


def subsets(gradients: GradientTable, size: int, seed: int) -> list[list[int]]:
    """Deal the directions of each shell out to views of about `size`, each with all b0s.

    Parameters
    ----------
    gradients : GradientTable
        Of the whole run.
    size : int
        Directions per view; 0 for no views.
    seed : int
        Of the shuffle.

    Returns
    -------
    list of list of int
        Sorted volume indices of each view.
    """
    if size <= 0:
        return []
    generator = np.random.default_rng(seed)
    b0s = np.flatnonzero(gradients.is_b0).tolist()
    views = []
    for shell in gradients.shells:
        count = len(shell.indices) // size
        if count < 2:
            continue
        parts = np.array_split(generator.permutation(shell.indices), count)
        views += [sorted(b0s + part.tolist()) for part in parts]
    return views


def _key(run: DwiRun, *parameters: object) -> str:
    source = run.files.dwi.stat()
    facts = [str(run.files.dwi), source.st_size, source.st_mtime_ns, _FORMAT, *parameters]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def _write_run(
    run: DwiRun,
    folder: Path,
    factor: int,
    degradation: str,
    subset: int,
    seed: int,
    coarsening: float,
    noise: float,
) -> None:
    with DwiReader(run.files.dwi) as reader:
        axis = choose_slice_axis(
            reader.shape[:3],
            reader.zooms,
            run.files.sidecar,
            dim_info_slice=reader.header.get_dim_info()[2],
        )
        series = _read_slices(reader, axis, factor, coarsening)
        fov = [reader.zooms[i] * reader.shape[i] for i in range(3) if i != axis]
        before = [reader.shape[i] for i in range(3) if i != axis]
        in_plane = [
            factor * size / (_coarse(n, factor, coarsening) if coarsening > 1 else n)
            for size, n in zip(fov, before, strict=True)
        ]
    reference = np.flatnonzero(run.gradients.is_b0)
    series /= robust_scale(series[int(reference[0]) if reference.size else 0].astype(np.float32))
    if noise:
        generator = torch.Generator().manual_seed(seed)
        series = add_rician_noise(torch.from_numpy(series), noise, generator).numpy()
    lr = DEGRADATIONS[degradation](torch.from_numpy(series), factor).numpy()
    _save(folder / "hr.npy", series.astype(np.float16))
    _save(folder / "lr.npy", lr.astype(np.float16))
    _save(folder / "foreground.npy", _foreground(lr))
    choices = [list(range(run.gradients.n_volumes)), *subsets(run.gradients, subset, seed)]
    for number, volumes in enumerate(choices):
        _save_view(folder, number, run.gradients, lr, volumes)
    facts = {
        "label": run.files.label,
        "views": len(choices),
        "lr_zooms": [round(z, 4) for z in (*in_plane, reader.zooms[axis])],
        "b_values": [round(shell.bval) for shell in run.gradients.shells],
    }
    write_json(folder / "run.json", facts)


def _coarse(pixels: int, factor: int, coarsening: float) -> int:
    return round(pixels / coarsening / factor) * factor


def _read_slices(reader: DwiReader, axis: int, factor: int, coarsening: float) -> np.ndarray:
    """Return (V, slices, A, B) float32, cut to whole multiples of the factor."""
    volumes = []
    for index in range(reader.shape[3]):
        slices = to_slices(reader.volume(index), axis)
        if coarsening > 1:
            rows, columns = (_coarse(n, factor, coarsening) for n in slices.shape[1:])
            whole = torch.from_numpy(np.ascontiguousarray(slices, dtype=np.float32))
            slices = coarsen(whole, (rows, columns)).numpy()
        rows, columns = (n - n % factor for n in slices.shape[1:])
        volumes.append(np.maximum(slices[:, :rows, :columns], 0))
    return np.stack(volumes)


def _foreground(lr: np.ndarray) -> np.ndarray:
    from skimage.filters import threshold_otsu

    mean = lr.mean(axis=0)
    return mean > 0.5 * threshold_otsu(mean)


def _save_view(
    folder: Path, number: int, gradients: GradientTable, lr: np.ndarray, volumes: Sequence[int]
) -> None:
    conditioning = SeriesConditioning(gradients, volumes)
    for index in volumes:
        conditioning.add(index, lr[index])
    shared = np.stack(
        [np.stack(conditioning.channels(i, lr[i], CHANNELS[1:])) for i in volumes]
    ).astype(np.float16)
    is_b0 = gradients.is_b0[list(volumes)]
    mean_dwi = CHANNELS[1:].index("mean_dwi")
    level = [
        1.0 if b0 else robust_scale(shared[k, mean_dwi].astype(np.float32))
        for k, b0 in enumerate(is_b0)
    ]
    _save(folder / f"view{number}_shared.npy", shared)
    _save(folder / f"view{number}_volumes.npy", np.asarray(volumes))
    _save(folder / f"view{number}_b0.npy", is_b0)
    _save(folder / f"view{number}_level.npy", np.asarray(level, dtype=np.float32))


def _save(path: Path, array: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        np.save(temporary, array)


def _open_prepared(folder: Path) -> PreparedRun:
    facts = json.loads((folder / "run.json").read_text())

    def load(name: str) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r")

    views = tuple(
        SeriesView(
            volumes=load(f"view{k}_volumes"),
            shared=load(f"view{k}_shared"),
            is_b0=load(f"view{k}_b0"),
            level=load(f"view{k}_level"),
        )
        for k in range(facts["views"])
    )
    x, y, z = facts["lr_zooms"]
    return PreparedRun(
        label=facts["label"],
        hr=load("hr"),
        lr=load("lr"),
        foreground=load("foreground"),
        views=views,
        lr_zooms=(x, y, z),
        b_values=tuple(facts["b_values"]),
    )
