"""Subsets of a run's volumes, with their shared channels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import frozen

from bids_sr.bids.cache import save
from bids_sr.bids.gradients import GradientTable
from bids_sr.images.intensity import robust_scale
from bids_sr.networks.channels import FRAME, PER_VOLUME, SeriesConditioning
from bids_sr.networks.slice_frame import SliceFrame


@frozen
class SeriesView:
    """A subset of a run's volumes, with the channels shared within this subset."""

    volumes: np.ndarray
    """Indices into the run's volumes, (V',)."""
    shared: np.ndarray
    """`channels.PER_VOLUME`, (V', channels, slices, a, b), float16."""
    frame: np.ndarray
    """`channels.FRAME` per shell, (shells, 5, slices, a, b), float16."""
    shell: np.ndarray
    """Index into `frame` for each volume, (V',); -1 for b0s."""
    is_b0: np.ndarray
    """Whether each volume of the view is a b0, (V',) bool."""
    level: np.ndarray
    """Bright-tissue signal of each volume's shell, in units of the run's scale, (V',)."""


def subsets(gradients: GradientTable, size: int, seed: int) -> list[list[int]]:
    """Distribute each shell's directions over views of about `size`, each with all b0s.

    Parameters
    ----------
    gradients : GradientTable
        Gradient table of the whole run.
    size : int
        Directions per view; 0 for no views.
    seed : int
        Seed of the shuffle.

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


def save_view(
    folder: Path,
    number: int,
    gradients: GradientTable,
    lr: np.ndarray,
    volumes: Sequence[int],
    frame: SliceFrame,
) -> None:
    """Compute and save the channels of a subset of volumes of `lr`, (V, slices, a, b)."""
    conditioning = SeriesConditioning(gradients, volumes, frame=frame)
    for index in volumes:
        conditioning.add(index, lr[index])
    shared = np.stack(
        [np.stack(conditioning.channels(i, lr[i], PER_VOLUME)) for i in volumes]
    ).astype(np.float16)
    is_b0 = gradients.is_b0[list(volumes)]
    mean_dwi = PER_VOLUME.index("mean_dwi")
    level = [
        1.0 if b0 else robust_scale(shared[k, mean_dwi].astype(np.float32))
        for k, b0 in enumerate(is_b0)
    ]
    shell = np.full(len(volumes), -1)
    frames = np.zeros((0, len(FRAME), *lr.shape[1:]), np.float16)
    for members in gradients.shells:
        rows = np.flatnonzero(np.isin(volumes, members.indices))
        if rows.size:
            shell[rows] = len(frames)
            first = volumes[rows[0]]
            along = np.stack(conditioning.channels(first, lr[first], FRAME)).astype(np.float16)
            frames = np.concatenate([frames, along[None]])
    save(folder / f"view{number}_shared.npy", shared)
    save(folder / f"view{number}_frame.npy", frames)
    save(folder / f"view{number}_shell.npy", shell)
    save(folder / f"view{number}_volumes.npy", np.asarray(volumes))
    save(folder / f"view{number}_b0.npy", is_b0)
    save(folder / f"view{number}_level.npy", np.asarray(level, dtype=np.float32))


def load_view(folder: Path, number: int) -> SeriesView:
    """Open a view written by `save_view`; its arrays are memory maps."""
    named = {
        name: np.load(folder / f"view{number}_{stem}.npy", mmap_mode="r")
        for name, stem in _STEMS.items()
    }
    return SeriesView(**named)


_STEMS = {
    "volumes": "volumes",
    "shared": "shared",
    "frame": "frame",
    "shell": "shell",
    "is_b0": "b0",
    "level": "level",
}
"""File name of each array."""
