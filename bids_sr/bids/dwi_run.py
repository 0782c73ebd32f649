"""One diffusion run: its files, and what is known once they were checked."""

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
    """The image has no name of its own to be processed under: nothing that other runs may
    have written under such a name is touched."""

    def error(self) -> InputError:
        """Return it as an exception."""
        return InputError(self.text, file=self.file, remedy=self.remedy)


@frozen
class DwiFiles:
    """The files of one run as found on disk, nothing of them checked yet."""

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
    """Name of that dataset in bids: URIs: ``raw`` or the derivative's name."""
    problem: Problem | None = field(default=None)
    """Why it cannot be used, as far as names and sidecars tell; it is raised by
    `bids_sr.images.runs.open_run`."""
    b0_threshold: float | None = None
    """Where the source has its own: b-values up to this one, s/mm2, count as b = 0."""
    name: str | None = None
    """Name of the run where that of its file does not tell."""

    @property
    def label(self) -> str:
        """Name of the run: its own, or the file's without ``_dwi`` and extension."""
        return self.name or self.dwi.name.split(".")[0].removesuffix("_dwi")

    @property
    def refused(self) -> bool:
        """Whether there is no name that it could be processed under."""
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
    """How a series came that was brought to its acquired matrix."""

    path: Path
    """The image as it came."""
    shape: tuple[int, int, int]
    """Voxels along x, y and z."""
    zooms: tuple[float, float, float]
    """Their size, mm."""
    slice_axis: int
    """Voxel axis across the slices, as it was found with these voxels."""
    note: str
    """What was found, and how, in whole sentences."""
    warnings: tuple[str, ...] = ()
    """What was doubtful about its header."""
    nonfinite: Mapping[int, int] = field(factory=dict)
    """Volumes with voxels that had no value, and how many; they were read as zero."""


@frozen
class DwiRun:
    """A run that passed the checks of its files."""

    files: DwiFiles
    """Where it lies."""
    gradients: GradientTable
    """One entry per volume."""
    shape: tuple[int, int, int, int]
    """Image shape (x, y, z, volumes)."""
    warnings: tuple[str, ...] = field(default=(), eq=False)
    """What was doubtful about the small files beside the image, in whole sentences."""
    stored: StoredGrid | None = None
    """How it was stored, if it was finer than it was acquired: `files.dwi` then is a copy of it
    at its acquired matrix (`bids_sr.images.zero_filling`)."""

    @property
    def image(self) -> Path:
        """The image as it came, for messages."""
        return self.stored.path if self.stored else self.files.dwi


def log_warnings(run: DwiRun) -> None:
    """Log what was doubtful about the small files of a run, where no record will say it."""
    for warning in run.warnings:
        _LOGGER.warning("%s: %s", run.files.dwi, warning)


def refuse_not_linear(run: DwiRun) -> None:
    """Raise InputError if a run cannot serve where each volume must have a direction."""
    if run.gradients.not_linear:
        raise InputError(
            f"has no tensor: {run.gradients.not_linear}, so volumes were not encoded along one"
            " direction each.",
            file=run.files.dwi,
            remedy="Take another run.",
        )
