"""Does a run's gradient table fit its image? Axes, signs and frame, found out by the fibres."""

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
"""Verdict where the evidence is not clear."""
NOT_CHECKED = "not checked"
"""Verdict where nobody looked."""

CLEAR = 2.5
"""By how many standard errors a table must be more coherent than every other one
(docs/quality.md has the counts that this was chosen by)."""
LEAST = 0.05
"""Coherence that the best table must have: there are fibres."""


@frozen(eq=False)
class GradientCheck:
    """What was found out about a gradient table."""

    verdict: str
    """`EXPECTED`, the words of an `AxisPermutation`, `NOT_DECIDED` or `NOT_CHECKED`."""
    coherence: float | None = None
    """Of the fibres with the table as it came, 0 by chance; None if unknown."""
    best: float | None = None
    """The same with the table that has the most."""
    margin: float | None = None
    """By how many standard errors the best is ahead of the next."""
    reason: str = ""
    """Why nothing could be decided, one sentence."""
    exchange: AxisPermutation | None = field(default=None)
    """The fault; None unless one was found."""

    @property
    def found_wrong(self) -> bool:
        """Whether the table is wrong, beyond doubt."""
        return self.exchange is not None

    def corrected(self, run: DwiRun) -> DwiRun:
        """Return the run with a table that has not the fault; the run itself if there is none."""
        if self.exchange is None:
            return run
        table = run.gradients
        return evolve(run, gradients=evolve(table, bvecs=self.exchange.undone(table.bvecs)))


@frozen(eq=False)
class CheckedRun:
    """A run with the table that it is processed with."""

    run: DwiRun
    """The run; its table is corrected if `fixed`."""
    check: GradientCheck
    """What was found out about the table as it came."""
    fixed: bool = False
    """Whether it was wrong and is corrected."""

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
    """Check the table of a run, and correct it if that is asked for.

    Parameters
    ----------
    run : DwiRun
        As it came.
    mode : str
        One of `bids_sr.diffusion.defaults.TRAINING_CHECKS`.

    Returns
    -------
    CheckedRun

    Raises
    ------
    InputError
        If the image cannot be read; if the table is wrong and that is to be refused.
    """
    if mode == OFF:
        return CheckedRun(run, GradientCheck(NOT_CHECKED))
    check = check_gradients(run)
    if not check.found_wrong:
        return CheckedRun(run, check)
    if mode == REFUSE:
        raise InputError(
            f"does not fit the image ({check.verdict}).",
            file=run.files.bvec or run.files.dwi,
            remedy=f"To mend it, {edit_of(check.verdict)} in it; or give --gradient-check fix, "
            "which goes on with a corrected table.",
        )
    if mode == FIX:
        _LOG.warning("%s: %s", run.files.label, corrected_sentence(check.verdict))
        return CheckedRun(check.corrected(run), check, fixed=True)
    _LOG.warning("%s: %s", run.files.label, fault_sentence(check.verdict))
    return CheckedRun(run, check)


def fault_sentence(verdict: str) -> str:
    """Say what is wrong with a table and how it is mended; empty if the verdict is no fault."""
    edit = edit_of(verdict)
    if not edit:
        return ""
    return (
        f"The gradient table does not fit the image ({verdict}): {edit} in the bvec file, or give "
        "--gradient-check fix."
    )


def corrected_sentence(verdict: str) -> str:
    """Say that a table was wrong and is right now; empty if the verdict is no fault."""
    if not edit_of(verdict):
        return ""
    return f"The gradient table did not fit the image ({verdict}); a corrected one is used."


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def check_gradients(run: DwiRun) -> GradientCheck:
    """Find out whether the directions of a run lie along the axes of its image.

    One tensor is fitted; each other table turns it in its place (`exchanges`), and the table
    whose fibres are most coherent (`bids_sr.diffusion.coherence`) is the right one, if it is
    ahead of all others by `CLEAR` standard errors. A table in the world's frame has to be
    ahead of the nearest exchange of axes, too, but not the other way round.

    Parameters
    ----------
    run : DwiRun
        Read volume by volume, once.

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
    """Fit a tensor to a run and follow its fibres.

    Parameters
    ----------
    run : DwiRun
        Its gradients determine a tensor.
    mask : numpy.ndarray
        (x, y, z), bool, the brain.
    volumes : sequence of int, optional
        Volumes to fit to, b0s among them; default: `dti_volumes`.

    Returns
    -------
    fibres : Fibres or None
        As `follow_fibres`.
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
    """Compare the table that fibres were fitted with to all others.

    Parameters
    ----------
    fibres : Fibres
        From `fit_fibres`.
    affine : numpy.ndarray
        (4, 4), of the image.
    planted : numpy.ndarray, optional
        (3, 3), orthogonal: judge as if every direction had been multiplied by it, and the
        tensor been fitted with these.

    Returns
    -------
    GradientCheck
    """
    tables = [*signed_permutations(), *world_frames(affine)]
    matrices = np.stack([table.matrix for table in tables])
    if planted is not None:
        matrices = matrices @ planted
    # the tensor lies along the voxel axes, where FSL's table may have x the other way round
    signs = voxel_rotation(affine)[1]
    return _judge(tables, fibres.coherence(signs[:, None] * matrices * signs))


def _judge(tables: list[AxisPermutation], coherence: Coherence) -> GradientCheck:
    values, axes = coherence.values, len(signed_permutations())
    best, best_axes = int(np.argmax(values)), int(np.argmax(values[:axes]))
    margin = None
    for winner in dict.fromkeys((best, best_axes)):
        rivals = [i for i in range(len(tables)) if i != winner]
        if winner < axes:  # a small turn of the frame is not told from none: no fault, then
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
    # of two faults that are a small turn apart, the likelier one
    alike = [i for i, table in enumerate(tables) if i == winner or _near(table, tables[winner])]
    likely = max(alike, key=lambda i: values[i])
    fault = tables[likely]
    coherence = float(values[0]), float(values[likely])
    return GradientCheck(fault.words, *coherence, ahead, exchange=fault)


def _near(table: AxisPermutation, other: AxisPermutation) -> bool:
    """Tell whether a table in the world's frame is that exchange of axes but for a turn."""
    return table not in signed_permutations() and nearest(table.matrix) is other


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the box around a mask."""
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
    """Fit a tensor by unweighted least squares as volumes are read: no signals are kept.

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
        if not floor:  # one for the image, so that the b0s need not be read first
            floor = max(FLOOR * float(np.median(signal)), float(np.finfo(np.float32).tiny))
        logarithm = np.log(np.maximum(signal, floor))
        for component in range(6):
            fitted[component] += np.float32(solve[component, column]) * logarithm
    tensor = np.zeros((*inside.shape, 6), np.float32)
    tensor[inside] = fitted.T
    return tensor
