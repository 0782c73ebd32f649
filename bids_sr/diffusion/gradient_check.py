"""Whether a run's gradient table matches its image: axes, signs and frame, from fibre coherence."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.axis_permutations import (
    EXPECTED,
    AxisPermutation,
    edit_of,
    nearest,
    signed_permutations,
    world_frames,
)
from bids_sr.diffusion.coherence import Coherence, Fibres, follow_fibres
from bids_sr.diffusion.defaults import FIX, OFF, REFUSE
from bids_sr.diffusion.frames import voxel_rotation
from bids_sr.diffusion.run_masks import brain_of
from bids_sr.diffusion.tensor import FLOOR
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.errors import InputError
from bids_sr.images.nifti import DwiReader

_LOG = logging.getLogger("bids_sr")

NOT_DECIDED = "not decided"
"""Verdict if the evidence is not clear."""
NOT_CHECKED = "not checked"
"""Verdict if the check was not made."""

CLEAR = 2.5
"""Standard errors by which a table must be more coherent than every other one (chosen from the
counts in docs/quality.md)."""
LEAST = 0.05
"""Coherence that the best table must have, as evidence of fibres."""


@frozen(eq=False)
class GradientCheck:
    """Result of the check of a gradient table."""

    verdict: str
    """`EXPECTED`, the name of an `AxisPermutation`, `NOT_DECIDED` or `NOT_CHECKED`."""
    coherence: float | None = None
    """Coherence of the fibres with the table as given, 0 at chance; None if unknown."""
    best: float | None = None
    """The same with the best table."""
    margin: float | None = None
    """Standard errors between the best table and the next."""
    reason: str = ""
    """Why no decision was possible, one sentence."""
    exchange: AxisPermutation | None = field(default=None)
    """The error; None unless one was found."""

    @property
    def found_wrong(self) -> bool:
        """Whether the table is clearly wrong."""
        return self.exchange is not None

    def corrected(self, run: DwiRun) -> DwiRun:
        """Return the run with a corrected table; the run itself if there is no error."""
        if self.exchange is None:
            return run
        table = run.gradients
        return evolve(run, gradients=evolve(table, bvecs=self.exchange.undone(table.bvecs)))


@frozen(eq=False)
class CheckedRun:
    """A run with the gradient table used to process it."""

    run: DwiRun
    """The run; its table is corrected if `fixed`."""
    check: GradientCheck
    """Result for the table as given."""
    fixed: bool = False
    """Whether the table was wrong and has been corrected."""

    def record(self) -> dict[str, str | float | bool | None]:
        """Return the entries of the run's record."""
        check = self.check
        return {
            "gradients_verdict": check.verdict,
            "gradients_coherence": _rounded(check.coherence),
            "gradients_coherence_best": _rounded(check.best),
            "gradients_margin": _rounded(check.margin),
            "gradients_fixed": self.fixed,
            "gradients_note": check.reason,
        }


def checked_run(run: DwiRun, mode: str) -> CheckedRun:
    """Check the table of a run, and correct it if requested.

    Parameters
    ----------
    run : DwiRun
        As given.
    mode : str
        One of `bids_sr.diffusion.defaults.TRAINING_CHECKS`.

    Returns
    -------
    CheckedRun

    Raises
    ------
    InputError
        If the image cannot be read, or if the table is wrong and the mode refuses that.
    """
    if mode == OFF:
        return CheckedRun(run, GradientCheck(NOT_CHECKED))
    check = check_gradients(run)
    if not check.found_wrong:
        return CheckedRun(run, check)
    if mode == REFUSE:
        raise InputError(
            f"does not match the image ({check.verdict}).",
            file=run.files.bvec or run.files.dwi,
            remedy=f"To correct it, {edit_of(check.verdict)} in it; or use --gradient-check fix, "
            "which continues with a corrected table.",
        )
    if mode == FIX:
        _LOG.warning("%s: %s", run.files.label, corrected_sentence(check.verdict))
        return CheckedRun(check.corrected(run), check, fixed=True)
    _LOG.warning("%s: %s", run.files.label, fault_sentence(check.verdict))
    return CheckedRun(run, check)


def fault_sentence(verdict: str) -> str:
    """Describe what is wrong with a table and how to correct it; empty if nothing is."""
    edit = edit_of(verdict)
    if not edit:
        return ""
    return (
        f"The gradient table does not match the image ({verdict}): {edit} in the bvec file, or use "
        "--gradient-check fix."
    )


def corrected_sentence(verdict: str) -> str:
    """State that a table was wrong and is corrected; empty if it was not wrong."""
    if not edit_of(verdict):
        return ""
    return f"The gradient table did not match the image ({verdict}); a corrected one is used."


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def check_gradients(run: DwiRun) -> GradientCheck:
    """Check whether the directions of a run follow the axes of its image.

    One tensor is fitted; each other table rotates it, and the table whose fibres are most coherent
    (`bids_sr.diffusion.coherence`) is the right one, if it leads all others by `CLEAR` standard
    errors. A table in the world frame must also lead the nearest permutation of axes, but not vice
    versa.

    Parameters
    ----------
    run : DwiRun
        Read once, volume by volume.

    Returns
    -------
    GradientCheck

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    missing = dti_volumes(run.gradients).reason
    if missing:
        return GradientCheck(NOT_DECIDED, reason=missing)
    try:
        mask = brain_of(run, quiet=True)
    except InputError as error:
        return GradientCheck(NOT_DECIDED, reason=f"The image: {error.problem}")
    fibres, affine = fit_fibres(run, mask)
    if fibres is None:
        return GradientCheck(NOT_DECIDED, reason="There are too few voxels with a fibre direction.")
    return judge_table(fibres, affine)


def fit_fibres(
    run: DwiRun, mask: NDArray[np.bool_], volumes: Sequence[int] | None = None
) -> tuple[Fibres | None, NDArray[np.float64]]:
    """Fit a tensor to a run and sum up the changes along its fibres.

    Parameters
    ----------
    run : DwiRun
        Its gradients must determine a tensor.
    mask : numpy.ndarray
        (x, y, z), bool, the brain.
    volumes : sequence of int, optional
        Volumes to fit to, including b0s; default: `dti_volumes`.

    Returns
    -------
    fibres : Fibres or None
        As in `follow_fibres`.
    affine : numpy.ndarray
        (4, 4), of the image.
    """
    chosen = dti_volumes(run.gradients).indices if volumes is None else volumes
    with DwiReader(run.files.dwi) as reader:
        box = _box(mask)
        tensor = _tensor(reader, run.gradients, chosen, mask, box)
        return follow_fibres(tensor, mask[box], np.array(reader.zooms)), reader.affine


def judge_table(
    fibres: Fibres, affine: NDArray[np.float64], planted: NDArray[np.float64] | None = None
) -> GradientCheck:
    """Compare the table used for the fit with all others.

    Parameters
    ----------
    fibres : Fibres
        From `fit_fibres`.
    affine : numpy.ndarray
        (4, 4), of the image.
    planted : numpy.ndarray, optional
        (3, 3), orthogonal: the result is that for directions multiplied by it, and the tensor
        fitted with these.

    Returns
    -------
    GradientCheck
    """
    tables = [*signed_permutations(), *world_frames(affine)]
    matrices = np.stack([table.matrix for table in tables])
    if planted is not None:
        matrices = matrices @ planted
    # the tensor is in voxel axes, where FSL's table may have x reversed
    signs = voxel_rotation(affine)[1]
    return _judge(tables, fibres.coherence(signs[:, None] * matrices * signs))


def _judge(tables: list[AxisPermutation], coherence: Coherence) -> GradientCheck:
    values, axes = coherence.values, len(signed_permutations())
    best, best_axes = int(np.argmax(values)), int(np.argmax(values[:axes]))
    margin = None
    for winner in dict.fromkeys((best, best_axes)):
        rivals = [i for i in range(len(tables)) if i != winner]
        if (
            winner < axes
        ):  # a small rotation of the frame cannot be distinguished from none: no error then
            rivals = [i for i in rivals if i < axes or not _near(tables[i], tables[winner])]
        ahead = float(coherence.margins(winner)[rivals].min())
        if ahead >= CLEAR and values[winner] >= LEAST:
            return _decided(tables, values, winner, ahead)
        margin = ahead if margin is None else margin
    reason = "No table makes the fibres clearly more coherent than all others."
    return GradientCheck(NOT_DECIDED, float(values[0]), float(values[best]), margin, reason)


def _decided(
    tables: list[AxisPermutation], values: NDArray[np.floating[Any]], winner: int, ahead: float
) -> GradientCheck:
    if tables[winner].words == EXPECTED:
        return GradientCheck(EXPECTED, float(values[0]), float(values[winner]), ahead)
    # the likelier of two errors that differ by a small rotation
    alike = [i for i, table in enumerate(tables) if i == winner or _near(table, tables[winner])]
    likely = max(alike, key=lambda i: values[i])
    fault = tables[likely]
    coherence = float(values[0]), float(values[likely])
    return GradientCheck(fault.words, *coherence, ahead, exchange=fault)


def _near(table: AxisPermutation, other: AxisPermutation) -> bool:
    """Return whether a table in the world frame is that permutation up to a small rotation."""
    return table not in signed_permutations() and nearest(table.matrix) is other


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the bounding box of a mask."""
    spans = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append(slice(int(there[0]), int(there[-1]) + 1))
    return tuple(spans)


def _tensor(
    reader: DwiReader,
    table: GradientTable,
    volumes: Sequence[int],
    mask: NDArray[np.bool_],
    box: tuple[slice, ...],
) -> NDArray[np.float32]:
    """Fit a tensor by unweighted least squares while volumes are read; no signals are kept.

    Returns (x, y, z, 6) within the box, along the voxel axes, mm2/s; zero outside the mask.
    """
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import design_matrix

    chosen = list(volumes)
    bvecs = table.bvecs[chosen] * voxel_rotation(reader.affine)[1]
    design = design_matrix(
        gradient_table(table.bvals[chosen], bvecs=bvecs, b0_threshold=table.b0_threshold)
    )
    solve = np.linalg.pinv(design)
    inside, floor = mask[box], 0.0
    fitted = np.zeros((6, int(np.count_nonzero(inside))), np.float32)
    for column, index in enumerate(chosen):
        signal = reader.volume(index)[box][inside]
        if not floor:  # one reference for the image, so that the b0s need not be read first
            floor = max(FLOOR * float(np.median(signal)), float(np.finfo(np.float32).tiny))
        logarithm = np.log(np.maximum(signal, floor))
        for component in range(6):
            fitted[component] += np.float32(solve[component, column]) * logarithm
    tensor = np.zeros((*inside.shape, 6), np.float32)
    tensor[inside] = fitted.T
    return tensor
