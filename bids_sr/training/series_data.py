"""Preparing a DWI run as arrays for training a series network."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import torch
from attrs import asdict, evolve, field, frozen

from bids_sr.bids.atomic import write_json
from bids_sr.bids.cache import cache_key, save
from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.images.intensity import bright_level
from bids_sr.images.kspace import kspace_crop
from bids_sr.images.nifti import DwiReader
from bids_sr.images.series_checks import SeriesChecks, checked_volumes
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.networks.series_parts import (
    MIN_MEAN_DIRECTIONS,
    PARTS,
    SeriesParts,
    series_parts,
)
from bids_sr.networks.slice_frame import SliceFrame, slice_frame
from bids_sr.quality.high_band import high_band
from bids_sr.training.prepare import (
    at_acquired_matrix,
    coarse_slices,
    foreground,
    in_plane_sides,
    write_once,
)
from bids_sr.training.snr import snr_of

_LOG = logging.getLogger("bids_sr")
_FEWEST, _MOST = 8, 16
"""Number of directions in a subset."""
_TRIES = 50


@frozen
class SeriesRecipe:
    """Preparation parameters; runs with equal recipes share a cache."""

    factor: int = 2
    """In-plane factor."""
    coarsening: float = 1.0
    """In-plane voxel size relative to the scan's own, >= 1: the scan is first coarsened by a
    k-space crop."""
    subsets: int = 4
    """Subsets of directions drawn per shell."""
    seed: int = 0
    """Seed for drawing these subsets."""
    volumes: bool = False
    """Whether the high-resolution volumes are kept for validation."""


@frozen(eq=False)
class PreparedSeries:
    """A run prepared for training: memory-mapped images of each shell, in the shell's units."""

    label: str
    """Label of the run."""
    detail: np.ndarray
    """Targets: high bands, (shells, 7, slices, f a, f b), float16."""
    lr: np.ndarray
    """Input images, (views, 7, slices, a, b), float16; zero where missing."""
    shell: tuple[int, ...]
    """Index into `detail` for each view."""
    known: tuple[tuple[bool, bool, bool], ...]
    """Whether each target in `detail` is valid for b0, mean and l = 2."""
    foreground: np.ndarray
    """Tissue mask, (slices, a, b) bool."""
    lr_zooms: tuple[float, float, float]
    """Low-resolution voxel size, mm: both in-plane axes, then across slices."""
    b_values: tuple[int, ...]
    """b-values of the shells, s/mm2."""
    gradients: GradientTable
    """Gradient table of all volumes."""
    units: tuple[float, ...] = field(default=(), converter=tuple)
    """Intensity units of the b0s and each shell, in units of the scan."""
    volumes: np.ndarray | None = None
    """(V, slices, f a, f b), float32, in units of the scan; None if not kept."""
    parts: SeriesParts | None = None
    """Decomposition of the volumes."""
    snr_b0: float | None = None
    """Signal-to-noise ratio of its b0s at low resolution; None if unknown."""

    @property
    def teaching(self) -> tuple[int, ...]:
        """Shells with a valid target for b0, mean or l = 2."""
        return tuple(number for number, known in enumerate(self.known) if any(known))


def prepare_series(run: DwiRun, cache: Path, recipe: SeriesRecipe) -> PreparedSeries:
    """Split a run into images of its shells, degrade them, and store everything on disk.

    Parameters
    ----------
    run : DwiRun
        High-resolution run.
    cache : pathlib.Path
        Folder of prepared runs; a run is prepared once per recipe.
    recipe : SeriesRecipe
        Preparation parameters.

    Returns
    -------
    PreparedSeries
        Its arrays are memory maps.

    Raises
    ------
    InputError
        If the run cannot be read.
    """
    run = at_acquired_matrix(run, cache)
    folder = cache / f"{run.files.label}-{cache_key(run, asdict(recipe), 'series', 2)}"
    write_once(run, folder, lambda: _write(run, folder, recipe))
    return _open(run.gradients, folder)


def _write(run: DwiRun, folder: Path, recipe: SeriesRecipe) -> None:
    with DwiReader(run.files.dwi) as reader:
        axis = slice_axis_of(run, reader.meta)
        frame = slice_frame(reader.affine, axis, across=0)
        checks = SeriesChecks(run.files.sidecar)
        volumes = coarse_slices(
            checked_volumes(reader, checks), axis, recipe.factor, recipe.coarsening
        )
        reader.refuse_nonfinite()
        checks.refuse_signed(run.files.dwi, "networks are trained on magnitudes")
        sides = in_plane_sides(reader.zooms, reader.shape, axis, recipe.factor, recipe.coarsening)
    parts = series_parts(run.gradients, frame)
    small = kspace_crop(torch.from_numpy(volumes), recipe.factor).numpy()
    units = [bright_level(small[m].mean(0)) if m.size else 1.0 for m in _members(parts)]
    details, views, shell, known = [], [], [], []
    for number in range(max(1, len(parts.shells))):
        images = split(volumes, parts, number, units)
        details.append(np.stack([high_band(image, recipe.factor) for image in images]))
        known.append(_known(parts, number))
        choices = [parts, *_subsets(run.gradients, parts, number, frame, recipe)]
        views += [split(small, choice, number, units) for choice in choices]
        shell += [number] * len(choices)
    save(folder / "detail.npy", np.stack(details).astype(np.float16))
    save(folder / "lr.npy", np.stack(views).astype(np.float16))
    tissue = foreground(small)
    save(folder / "foreground.npy", tissue)
    if recipe.volumes:
        save(folder / "volumes.npy", volumes)
    facts = {
        "label": run.files.label,
        "shell": shell,
        "known": known,
        "units": units,
        "axes": frame.axes.tolist(),
        "snr_b0": snr_of(small, tissue, run.gradients.is_b0),
        "lr_zooms": [round(z, 4) for z in (*sides, reader.zooms[axis])],
        "b_values": [round(each.bval) for each in run.gradients.shells],
    }
    write_json(folder / "run.json", facts)


def split(volumes: np.ndarray, parts: SeriesParts, number: int, units: list[float]) -> np.ndarray:
    """Return the images of one shell: b0, mean, l = 2.

    Parameters
    ----------
    volumes : numpy.ndarray
        (V, slices, A, B).
    parts : SeriesParts
        Decomposition of the volumes; without shells there is only a b0.
    number : int
        Index of the shell.
    units : list of float
        Intensity that becomes 1: for the b0s, then for each shell.

    Returns
    -------
    numpy.ndarray
        (7, slices, A, B), float32; zero where missing.
    """
    images = np.zeros((PARTS, *volumes.shape[1:]), np.float32)
    if parts.b0s.size:
        images[0] = volumes[parts.b0s].mean(0) / units[0]
    if number < len(parts.shells):
        shell = parts.shells[number]
        weights = (shell.weights / units[1 + number]).astype(np.float32)
        images[1:] = np.tensordot(weights, volumes[shell.indices], axes=1)
    return images


def _members(parts: SeriesParts) -> list[np.ndarray]:
    return [parts.b0s, *(shell.indices for shell in parts.shells)]


def _known(parts: SeriesParts, number: int) -> tuple[bool, bool, bool]:
    shell = parts.shells[number] if parts.shells else None
    enough = shell is not None and len(shell.indices) >= MIN_MEAN_DIRECTIONS
    return bool(parts.b0s.size), enough, shell is not None and shell.has_l2


def _subsets(
    gradients: GradientTable,
    parts: SeriesParts,
    number: int,
    frame: SliceFrame,
    recipe: SeriesRecipe,
) -> list[SeriesParts]:
    """Draw subsets of directions that still determine l = 2, as in short acquisitions."""
    if number >= len(parts.shells) or len(parts.shells[number].indices) <= _FEWEST:
        return []
    generator = np.random.default_rng([recipe.seed, number])
    indices = parts.shells[number].indices
    found: list[SeriesParts] = []
    for _ in range(_TRIES):
        if len(found) == recipe.subsets:
            break
        size = int(generator.integers(_FEWEST, min(_MOST, len(indices) - 1) + 1))
        chosen = np.sort(generator.permutation(indices)[:size])
        small = series_parts(gradients.subset(chosen.tolist()), frame).shells[0]
        if small.has_l2:
            shells = list(parts.shells)
            shells[number] = evolve(small, indices=chosen[small.indices])
            found.append(evolve(parts, shells=tuple(shells)))
    return found


def _open(gradients: GradientTable, folder: Path) -> PreparedSeries:
    facts = json.loads((folder / "run.json").read_text())

    def load(name: str) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r")

    x, y, z = facts["lr_zooms"]
    return PreparedSeries(
        label=facts["label"],
        detail=load("detail"),
        lr=load("lr"),
        shell=tuple(facts["shell"]),
        known=tuple((b0, mean, l2) for b0, mean, l2 in facts["known"]),
        foreground=load("foreground"),
        lr_zooms=(x, y, z),
        b_values=tuple(facts["b_values"]),
        gradients=gradients,
        units=facts["units"],
        volumes=load("volumes") if (folder / "volumes.npy").exists() else None,
        parts=series_parts(gradients, SliceFrame(np.array(facts["axes"]), 0)),
        snr_b0=facts["snr_b0"],
    )
