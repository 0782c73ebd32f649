"""One diffusion run: its files, and what is known once they have been checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from bids_sr.bids.gradients import GradientTable
from bids_sr.errors import InputError

_LOGGER = logging.getLogger("bids_sr")


@frozen
class Problem:
    """What is wrong with a run, as known before its files are opened."""

    file: Path
    """The file it is about."""
    text: str
    """What is wrong, one sentence."""
    remedy: str
    """What to do about it."""
    refused: bool = False
    """The image has no unique output name: files that other runs may have written under such a name
    are not touched."""

    def error(self) -> InputError:
        """Return it as an exception."""
        return InputError(self.text, file=self.file, remedy=self.remedy)


@frozen
class DwiFiles:
    """The files of one run as found on disk, not checked yet."""

    dwi: Path
    """4D image."""
    bval: Path | None
    """b-values, possibly inherited from a folder above; None if there are none."""
    bvec: Path | None
    """Directions, possibly inherited; None if there are none."""
    mask: Path | None
    """Brain mask that belongs to the run, if any."""
    sidecar: dict[str, Any]
    """Metadata merged from all JSON files that apply to the image."""
    entities: dict[str, str]
    """Short BIDS keys and their labels as written, in file order."""
    dataset_root: Path
    """Top folder of the dataset that holds the image."""
    dataset_name: str = "raw"
    """Name of that dataset in bids: URIs: ``raw``, the derivative's name, or empty: none."""
    problem: Problem | None = field(default=None)
    """Why the run cannot be used, judging by names and sidecars; raised by
    `bids_sr.images.runs.open_run`."""
    b0_threshold: float | None = None
    """Largest b-value that counts as b = 0, s/mm2, if the source has one of its own."""
    name: str | None = None
    """Name of the run where its file name does not give one."""

    @property
    def label(self) -> str:
        """Name of the run: `name`, or the file name without ``_dwi`` and extension."""
        return self.name or self.dwi.name.split(".")[0].removesuffix("_dwi")

    @property
    def refused(self) -> bool:
        """Whether there is no name under which it could be processed."""
        return self.problem is not None and self.problem.refused

    @property
    def subject(self) -> str:
        """Participant label without ``sub-``."""
        return self.entities["sub"]

    @property
    def session(self) -> str | None:
        """Session label without ``ses-``, if there are sessions."""
        return self.entities.get("ses")


@frozen
class StoredGrid:
    """The stored grid of a series that was resampled to its acquired matrix."""

    path: Path
    """The image as stored."""
    shape: tuple[int, int, int]
    """Voxels along x, y and z."""
    zooms: tuple[float, float, float]
    """Voxel size, mm."""
    slice_axis: int
    """Slice axis, as determined on this grid."""
    note: str
    """What was found, and on what evidence, as full sentences."""
    warnings: tuple[str, ...] = ()
    """Warnings about its header."""
    nonfinite: Mapping[int, int] = field(factory=dict)
    """Volumes with NaN or infinite voxels, and how many; these were read as zero."""


@frozen
class DwiRun:
    """A run that passed the checks of its files."""

    files: DwiFiles
    """Its files."""
    gradients: GradientTable
    """One entry per volume."""
    shape: tuple[int, int, int, int]
    """Image shape (x, y, z, volumes)."""
    warnings: tuple[str, ...] = field(default=(), eq=False)
    """Warnings about gradient files and sidecar, as full sentences."""
    stored: StoredGrid | None = None
    """The stored grid, if it was finer than the acquired one: `files.dwi` then is a copy at the
    acquired matrix (`bids_sr.images.zero_filling`)."""

    @property
    def image(self) -> Path:
        """The image as stored, for messages."""
        return self.stored.path if self.stored else self.files.dwi


def log_warnings(run: DwiRun) -> None:
    """Log the warnings of a run for which no quality record is written."""
    for warning in run.warnings:
        _LOGGER.warning("%s: %s", run.files.dwi, warning)


def refuse_not_linear(run: DwiRun) -> None:
    """Raise InputError if a run was not encoded along one direction per volume."""
    if run.gradients.not_linear:
        raise InputError(
            f"allows no tensor fit: {run.gradients.not_linear}, so volumes were not encoded along"
            " one direction each.",
            file=run.files.dwi,
            remedy="Use another run.",
        )
