r"""Where the error of the weighted volumes comes from.

For one shell of `n` directions let :math:`x_i` be a method's signal, :math:`y_i` the
reference's and :math:`o_i` the oracle's: the measured band, and beyond it the
noise-free signal that a tensor predicts (`bids_sr.evaluation.trial.oracle`). With
:math:`e_i = x_i - y_i`, and a bar for the mean over the shell's directions in a
voxel, the mean over directions of the squared error is exactly

.. math::

    \overline{e^2} = \bar e^2 + \overline{(e - \bar e)^2}.

The first term is the error of the mean over directions (a). With
:math:`d_i = (x_i - \bar x) - (o_i - \bar o)` and
:math:`r_i = (o_i - \bar o) - (y_i - \bar y)` the second is

.. math::

    \overline{(e - \bar e)^2} = \overline{d^2} + \left(\overline{r^2} + 2\,\overline{d r}\right).

:math:`\overline{d^2}` is the directional error (b): how far a method is from the
ideal in what differs between directions. :math:`\overline{r^2}` is what even the
ideal leaves: the reference's noise, and its signal that no tensor describes, beyond
the measured band. The bracket (c) has it with the product, which is near zero where
that remainder is noise, since a method sees the measured band alone. Where it is
signal that no tensor describes, a method that finds some of it has a larger (b) and a
smaller (c): then compare their sum.

The oracle rather than the noise-free signal stands for the ideal, because it keeps
the noise of the measured band as the reference does: the same noise on both sides
is no error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.evaluation.trial import Trial
from bids_sr.images.nifti import DwiReader
from bids_sr.quality.fidelity import peak_of

Floats = NDArray[np.floating]


@frozen
class ErrorBudget:
    """Mean squared error over voxels, directions and shells, in units of the squared peak.

    The peak of a shell is the mean of its volumes' peaks (`bids_sr.quality.fidelity.peak_of`).
    """

    mean: float
    """(a) Of the mean over the directions of a shell, against the reference."""
    directional: float
    """(b) Of the differences from that mean, against the ideal."""
    rest: float
    """(c) The remainder: noise and signal that no tensor describes."""
    ideal_mean: float
    """What would be left of (a) if the mean over directions were the oracle's."""
    ideal_rest: float
    """What would be left of (b) and (c) if the differences were the oracle's."""

    @property
    def total(self) -> float:
        """(a) + (b) + (c), the mean squared error."""
        return self.mean + self.directional + self.rest

    @property
    def gain_mean_db(self) -> float:
        """What the oracle's mean over directions would bring, dB."""
        return _decibel(self.total, self.ideal_mean + self.directional + self.rest)

    @property
    def gain_directional_db(self) -> float:
        """What the oracle's differences between directions would bring, dB."""
        return _decibel(self.total, self.mean + self.ideal_rest)

    def to_row(self) -> dict[str, float]:
        """Return the figures for a table: errors in 1e-3 of the squared peak, gains in dB."""
        parts = {
            "budget_total": self.total,
            "budget_mean": self.mean,
            "budget_directional": self.directional,
            "budget_rest": self.rest,
        }
        gains = {
            "budget_gain_mean_db": self.gain_mean_db,
            "budget_gain_directional_db": self.gain_directional_db,
        }
        return {key: 1e3 * value for key, value in parts.items()} | gains


def error_budget(trial: Trial, path: Path, ideal: Path) -> ErrorBudget:
    """Split the error of a result's weighted volumes.

    Parameters
    ----------
    trial : Trial
        Holds reference, mask and gradients.
    path : pathlib.Path
        The result, 4D on the grid of the reference.
    ideal : pathlib.Path
        The oracle's series, same grid.

    Returns
    -------
    ErrorBudget
        Shells count by their number of volumes.
    """
    parts, weights = [], []
    with DwiReader(trial.truth) as truth, DwiReader(path) as test, DwiReader(ideal) as oracle:
        for shell in trial.lr.gradients.shells:
            split = _ShellSplit(int(trial.mask.sum()))
            for index in map(int, shell.indices):
                y = truth.volume(index)
                x, o = (reader.volume(index)[trial.mask] for reader in (test, oracle))
                split.add(x, y[trial.mask], o, peak_of(y, trial.mask))
            parts.append(split.figures())
            weights.append(len(shell.indices))
    mean = np.average(parts, axis=0, weights=weights)
    return ErrorBudget(*(float(value) for value in mean))


class _ShellSplit:
    """Running sums over the directions of one shell: volumes are read once, one at a time."""

    def __init__(self, voxels: int) -> None:
        # of x - y, x - o and o - y: sum over directions per voxel, and sum of squares over all
        self._sums = np.zeros((3, voxels))
        self._squares = np.zeros(3)
        self._peaks: list[float] = []

    def add(self, x: Floats, y: Floats, o: Floats, peak: float) -> None:
        for k, (one, other) in enumerate(((x, y), (x, o), (o, y))):
            difference = one.astype(np.float64) - other
            self._sums[k] += difference
            self._squares[k] += difference @ difference
        self._peaks.append(peak)

    def figures(self) -> NDArray[np.float64]:
        """Return the fields of `ErrorBudget`, (5,)."""
        n, voxels = len(self._peaks), self._sums.shape[1]
        of_mean = ((self._sums / n) ** 2).mean(axis=1)
        about_mean = np.maximum(self._squares / (n * voxels) - of_mean, 0)
        rest = about_mean[0] - about_mean[1]
        split = np.array([of_mean[0], about_mean[1], rest, of_mean[2], about_mean[2]])
        return split / np.mean(self._peaks) ** 2


def _decibel(before: float, after: float) -> float:
    if before == after:
        return 0.0
    return float(10 * np.log10(before / after)) if after > 0 else float("inf")
