"""The scans of a study: prepared slices for training, and degraded scans for scoring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from attrs import evolve, field, frozen

from bids_sr.bids.dwi_run import DwiFiles, DwiRun
from bids_sr.bids.training_runs import find_training_runs
from bids_sr.diffusion.defaults import REFUSE
from bids_sr.diffusion.run_masks import brain_of
from bids_sr.errors import InputError, UsageError
from bids_sr.evaluation.degraded_scan import DegradedScan, coarse_grid
from bids_sr.images.grid import SliceGrid, from_slices, to_slices
from bids_sr.images.header import read_header
from bids_sr.images.nifti import VolumeWriter
from bids_sr.images.slice_axis import slice_axis_of
from bids_sr.quality.fidelity import erode
from bids_sr.study.recipe import Data
from bids_sr.training.checked_runs import open_checked
from bids_sr.training.held_out import refuse_shared_scans
from bids_sr.training.prepare import (
    PreparedRun,
    Recipe,
    at_acquired_matrix,
    prepare_run,
)
from bids_sr.training.views import SeriesView


@frozen
class Dataset:
    """Source of a study's scans."""

    folder: Path
    """Dataset."""
    cache: Path
    """Folder for prepared slices."""
    data: Data
    """Choice of scans."""
    seed: int = 42
    """Settings of added noise."""
    gradient_check: str = REFUSE
    """What to do about a gradient table that does not match its image."""
    _opened: dict[Path, DwiRun] = field(factory=dict, init=False, eq=False, repr=False)

    def training(self, factor: int, noise: float = 0.0) -> list[PreparedRun]:
        """Return the training scans, degraded.

        Raises
        ------
        UsageError
            If there are none, or one is also held out.
        """
        held_out = {label.removeprefix("sub-") for label in self.data.test}
        found = self._find(self.data.train)
        if not self.data.train:  # all that are not held out
            found = [files for files in found if files.subject not in held_out]
        if not found:
            raise UsageError(
                "holds no training scan.",
                file=self.folder,
                remedy="Name participants in the recipe's data.train that are not in data.test.",
            )
        kept = found[: self.data.train_limit or None]
        refuse_shared_scans(kept, self._find(self.data.test))
        return [self._prepare(self._open(files), factor, noise) for files in kept]

    def held_out(self, factor: int, noise: float = 0.0) -> list[tuple[DwiRun, PreparedRun]]:
        """Return the scans to score on, original and degraded."""
        runs = map(self._open, self._find(self.data.test))
        return [(run, self._prepare(run, factor, noise)) for run in runs]

    def _find(self, participants: tuple[str, ...]) -> list[DwiFiles]:
        return find_training_runs(self.folder, participants)

    def _open(self, files: DwiFiles) -> DwiRun:
        """Open and check a run, once for all rows."""
        if files.dwi not in self._opened:
            self._opened[files.dwi] = open_checked(files, self.gradient_check)
        return self._opened[files.dwi]

    def _prepare(self, run: DwiRun, factor: int, noise: float) -> PreparedRun:
        recipe = Recipe(
            factor=factor,
            degradation=self.data.degradation,
            subset=0,
            seed=self.seed,
            scan_noise=noise,
        )
        return prepare_run(run, self.cache, recipe)


@frozen(eq=False)
class Scan:
    """A held-out scan with known truth."""

    degraded: DegradedScan
    """Truth on disk, grid, gradients and mask."""
    lr: np.ndarray = field()
    """The input to super-resolve, (volumes, slices, a, b), float16."""
    hr: np.ndarray = field()
    """The truth, (volumes, slices, f a, f b), float16, intensity scale 1."""

    @property
    def mask_slices(self) -> np.ndarray:
        """The mask as slices, (slices, f a, f b)."""
        return to_slices(self.degraded.mask, self.degraded.grid.slice_axis)

    def write(self, slices: Iterator[np.ndarray], path: Path) -> None:
        """Write volumes, each given as slices (slices, f a, f b), on the truth's grid."""
        axis = self.degraded.grid.slice_axis
        shape, affine = self.degraded.grid.high_resolution
        with VolumeWriter(path, (*shape, len(self.lr)), affine) as writer:
            for each in slices:
                writer.write(from_slices(np.asarray(each, np.float32), axis))


def make_scan(run: DwiRun, prepared: PreparedRun, data: Data, folder: Path) -> Scan:
    """Write the truth of a held-out scan, at a step between slices, as a degraded scan.

    Parameters
    ----------
    run : DwiRun
        The original run; its mask, or an estimated brain mask, defines the scored voxels.
    prepared : PreparedRun
        The degraded run.
    data : Data
        Defines the step between slices and the erosion of the mask.
    folder : pathlib.Path
        Folder for the truth.

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        If no brain voxels are left.
    """
    run = at_acquired_matrix(run, folder)
    factor = prepared.hr.shape[2] // prepared.lr.shape[2]
    pick = slice(data.every // 2, None, data.every)
    meta = read_header(run.files.dwi)
    axis, affine = slice_axis_of(run, meta), meta.affine
    brain = brain_of(run)
    hr, lr = prepared.hr[:, pick], prepared.lr[:, pick]
    rows, columns = hr.shape[2:]
    inside = from_slices(to_slices(brain, axis)[pick, :rows, :columns], axis)
    mask = erode(inside, data.rim, axis)
    if not mask.any():
        raise InputError(
            "has no brain left to score on.",
            file=run.image,
            remedy="Give a smaller 'rim' or 'every' in the recipe.",
        )
    affine = affine @ np.diag([*(data.every if a == axis else 1 for a in range(3)), 1])
    grid = SliceGrid(*coarse_grid(mask.shape, affine, axis, factor), axis, factor)
    truth = folder / "truth.nii.gz"
    x, y, z = grid.shape
    degraded = DwiRun(evolve(run.files, mask=None), run.gradients, (x, y, z, len(hr)))
    scan = Scan(DegradedScan(truth, degraded, grid, mask), lr, hr)
    scan.write(iter(hr), truth)
    return scan


def thin(prepared: PreparedRun, weighted: int = 2) -> PreparedRun:
    """Return a few volumes of a run, for validation during training.

    Parameters
    ----------
    prepared : PreparedRun
        The run.
    weighted : int
        Number of weighted volumes, in addition to one b0.

    Returns
    -------
    PreparedRun
    """
    view = prepared.views[0]
    kept = np.concatenate([np.flatnonzero(view.is_b0)[:1], np.flatnonzero(~view.is_b0)[:weighted]])
    small = SeriesView(
        volumes=view.volumes[kept],
        shared=view.shared[kept],
        frame=view.frame,
        shell=view.shell[kept],
        is_b0=view.is_b0[kept],
        level=view.level[kept],
    )
    return evolve(prepared, views=(small,))
