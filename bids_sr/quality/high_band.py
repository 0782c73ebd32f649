r"""How much of the unmeasured high band a result leaves unexplained.

The high band of an image `x` is what cutting it back to the acquired band removes,
:math:`h(x) = x - U D x` (`bids_sr.images.kspace`). In each voxel the high bands of the V
volumes of a shell are split into K functions of direction
(`bids_sr.networks.angular_parts`), :math:`c = Y^+ h`. With the reference's
:math:`c_r` and a result's :math:`c`, summed over the brain and over the functions of one
part (b0; mean over directions; l = 2; l = 4),

.. math::

    \mathrm{left} = \frac{|c - c_r|^2 - N}{|c_r|^2 - N}, \qquad
    N = n \, s^2 \sum_{kv} (Y^+)_{kv}^2, \qquad
    s^2 = \frac{|h_r - Y c_r|^2}{n (V - K)},

where n is the number of voxels: the reference's own noise is in both sums, and is
subtracted from both. Sinc interpolation, which adds nothing, leaves 1; the truth leaves 0. That is
unbiased where the noise is independent between volumes and white within slices: that of
the high band is then independent of the low band, from which alone the result was made.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.kspace import kspace_crop, sinc_upsample
from bids_sr.networks.angular_parts import B0, L2, L4, MEAN, AngularModel, angular_models

Slices = NDArray[np.float32]
Mask = NDArray[np.bool_]

PARTS = (B0, MEAN, L2, L4)
"""In the order of the reports."""
MAX_NOISE_SHARE = 0.8
"""Largest share of noise in the reference's part; above it, the metric is not reported."""
MAX_BORROWED_SHARE = 0.4
"""The same where the noise is that of another shell: in magnitude images that of weak signals is
smaller (Rician), by up to a sixth in power at a signal-to-noise ratio of 2."""


@frozen
class Left:
    """What is left unexplained of one part of one shell: sums over the brain."""

    shell: str
    """``b0``, ``b1000``, ...; several, joined by ``+``, where they were added up."""
    part: str
    """One of `PARTS`."""
    power: float
    """Squares of the reference's coefficients, including its noise."""
    error: float
    """Squares of their differences from the result's."""
    noise: float | None
    """The part of either sum that is the reference's noise; None: not known."""
    noise_from: str | None
    """Shell (or ``b0``) whose residual gave the noise; None where it is not known,
    where there is none, and for sums."""

    @property
    def noise_share(self) -> float | None:
        """Noise over power of the reference; None where it is not known."""
        return None if self.noise is None or self.power <= 0 else self.noise / self.power

    @property
    def share(self) -> float | None:
        """The share left unexplained, 1 for sinc interpolation; None where too much is noise."""
        noise_share = self.noise_share
        if self.noise is None or noise_share is None:
            return None
        own = self.noise_from is None or self.noise_from == self.shell
        if noise_share > (MAX_NOISE_SHARE if own else MAX_BORROWED_SHARE):
            return None
        return (self.error - self.noise) / (self.power - self.noise)


class HighBandFit:
    """Splits the high bands of a series, volume by volume, in any order.

    Parameters
    ----------
    gradients : GradientTable
        Of the series.
    inside : numpy.ndarray
        (slices, f a, f b) bool, the brain.
    factor : int
        In-plane factor.
    """

    def __init__(self, gradients: GradientTable, inside: Mask, factor: int) -> None:
        self.models = angular_models(gradients)
        self.inside = inside
        self.factor = factor
        voxels = int(np.count_nonzero(inside))
        self.coefficients = [np.zeros((m.design.shape[1], voxels), np.float32) for m in self.models]
        self._squares = [np.zeros(voxels, np.float32) for _ in self.models]
        self._place = {
            int(index): (number, weights)
            for number, model in enumerate(self.models)
            for index, weights in zip(model.indices, model.inverse.T, strict=True)
        }

    def add(self, index: int, slices: Slices) -> None:
        """Add one volume.

        Parameters
        ----------
        index : int
            Of the volume.
        slices : numpy.ndarray
            (slices, f a, f b).
        """
        number, weights = self._place[index]
        values = high_band(slices, self.factor)[self.inside]
        for row, weight in zip(self.coefficients[number], weights.astype(np.float32), strict=True):
            row += weight * values
        self._squares[number] += values**2

    def residual(self, number: int) -> NDArray[np.float64]:
        """Return the noise variance of each voxel, (n,), from the residual of one model.

        The model must leave degrees of freedom.
        """
        model, c = self.models[number], self.coefficients[number]
        gram = (model.design.T @ model.design).astype(np.float32)
        left = self._squares[number].copy()
        for row, weights in zip(c, gram, strict=True):
            left -= row * (weights @ c)
        return np.maximum(left, 0).astype(np.float64) / model.freedom


def high_band(slices: Slices, factor: int) -> Slices:
    """Return ``x - U D x``: what cutting slices back to 1/f of their band removes.

    Parameters
    ----------
    slices : numpy.ndarray
        (slices, f a, f b).
    factor : int
        In-plane factor.

    Returns
    -------
    numpy.ndarray
        Same shape.
    """
    x = torch.from_numpy(np.ascontiguousarray(slices, dtype=np.float32))
    return np.asarray((x - sinc_upsample(kspace_crop(x, factor), factor)).numpy())


def noise_source(fit: HighBandFit, model: AngularModel) -> int | None:
    """Choose the model whose residual gives the noise of a shell's high bands.

    Its own; else that of the shell with the nearest b-value; else the repeats of b = 0. The
    scanner's noise is the same in all, as long as the signal is well above it. What moves
    or pulsates between the b0s counts as noise, as does signal beyond the fitted l.

    Returns
    -------
    int or None
        Index into ``fit.models``; None where there is none.
    """
    known = [number for number, other in enumerate(fit.models) if other.freedom]
    if not known:
        return None

    def distance(number: int) -> tuple[bool, bool, float]:
        other = fit.models[number]
        return other is not model, other.shell == B0, abs(other.bval - model.bval)

    return min(known, key=distance)


def left_unexplained(
    reference: HighBandFit, result: HighBandFit, *, noiseless: bool = False
) -> tuple[Left, ...]:
    """Compare the high bands of a result with the reference's.

    Parameters
    ----------
    reference, result : HighBandFit
        Of the same gradients, brain and factor; all volumes added.
    noiseless : bool
        The reference is known to have no noise.

    Returns
    -------
    tuple of Left
        Each part of each shell.
    """
    found = []
    for number, model in enumerate(reference.models):
        truth, other = reference.coefficients[number], result.coefficients[number]
        source = None if noiseless else noise_source(reference, model)
        variance = 0.0 if noiseless else None
        if source is not None:
            variance = float(np.sum(reference.residual(source)))  # over all voxels
        for part, rows in model.parts.items():
            noise = None if variance is None else variance * model.noise_gain(part)
            named = None if source is None else reference.models[source].shell
            power, error = _power(rows, truth), _power(rows, truth, other)
            found.append(Left(model.shell, part, power, error, noise, named))
    return tuple(found)


def pooled(found: Iterable[Left], part: str) -> Left | None:
    """Add up one part over all shells in which it could be measured.

    Parameters
    ----------
    found : iterable of Left
        From `left_unexplained`.
    part : str
        One of `PARTS`.

    Returns
    -------
    Left or None
        If no shell has one, the first whose noise is known: it says how much of it is noise.
        None if there is none of those either.
    """
    known = [left for left in found if left.part == part and left.noise is not None]
    of = [left for left in known if left.share is not None]
    if not of:
        return known[0] if known else None
    power, error, noise = (
        sum(float(getattr(left, name)) for left in of) for name in ("power", "error", "noise")
    )
    return Left("+".join(left.shell for left in of), part, power, error, noise, None)


def _power(rows: NDArray[np.float64], *coefficients: NDArray[np.float32]) -> float:
    """Return the sum of squares of a part, or of its difference between two fits."""
    total = 0.0
    for weights in rows.astype(np.float32):
        values = [weights @ each for each in coefficients]
        difference = values[0] if len(values) == 1 else values[0] - values[1]
        total += float(np.sum(np.square(difference, dtype=np.float64)))
    return total
