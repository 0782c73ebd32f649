"""Network input beyond the slice itself: channels shared by all volumes of the series.

A single diffusion-weighted slice is noisy; the mean over directions is not, and the tensor fit
predicts the signal for the slice's own direction. Everything is accumulated volume by volume, so
the series is never held in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bids_sr.bids.gradients import GradientTable, Shell
from bids_sr.networks.slice_frame import SliceFrame

BASIC = ("dwi", "mean_b0", "mean_dwi", "tensor")
"""Default channels: the slice to super-resolve and its context in the series."""

PER_VOLUME = BASIC[1:]
"""Channels, besides the slice itself, that differ between volumes."""

FRAME = (
    "tensor_rows",
    "tensor_columns",
    "tensor_diagonal",
    "tensor_antidiagonal",
    "tensor_across",
)
"""Tensor prediction for five directions fixed to the slice: local fibre orientation."""

CHANNELS = ("dwi", *PER_VOLUME, *FRAME)
"""Every channel that a network may read."""

MIN_FIT_DIRECTIONS = 7
"""A tensor at fixed b has 6 unknowns: with 6 directions the fit would reproduce the noise."""


_OWN = "own"
"""Mean of the volume's own contrast, which replaces missing channels."""
_Known = dict[str, np.ndarray | None]


class SeriesConditioning:
    """Shared channels of one DWI series, computed in one pass over its volumes.

    The tensor channel of a volume is the signal predicted for its direction by a log-linear
    least-squares fit [1]_ to its own shell. Within a shell, S0 and the trace merge into one
    constant, so there are six unknowns and no b0 is needed.

    Channels of another contrast (the mean b0 for a weighted volume, the mean DWI for a b0) are
    scaled to the level of the volume's own contrast, so that the network sees the same intensity
    range at any b-value.

    Fallbacks: without b0s, the shell's mean replaces the mean b0. With fewer than seven
    directions, or with encoding that is not linear, it replaces the tensor. For b0 volumes, the
    tensor channel is the mean b0 and the mean DWI is that of the shell with most directions.

    Parameters
    ----------
    gradients : GradientTable
        Gradient table of the whole series.
    volumes : sequence of int, optional
        Volumes to use (default: all); the others are ignored.
    frame : SliceFrame, optional
        Slice orientation; needed for the channels in `FRAME`.

    References
    ----------
    .. [1] Basser, Mattiello & LeBihan, J Magn Reson B 103, 247 (1994).
    """

    def __init__(
        self,
        gradients: GradientTable,
        volumes: Sequence[int] | None = None,
        *,
        frame: SliceFrame | None = None,
    ) -> None:
        self._frame = frame
        chosen = range(gradients.n_volumes) if volumes is None else volumes
        self._chosen = frozenset(int(i) for i in chosen)
        self._b0s = [int(i) for i in np.flatnonzero(gradients.is_b0) if int(i) in self._chosen]
        self._shells = [_ShellFit(shell, gradients, self._chosen) for shell in gradients.shells]
        self._shells = [fit for fit in self._shells if fit.volumes]
        self._shell_of = {i: fit for fit in self._shells for i in fit.volumes}
        self._b0_sum: np.ndarray | None = None
        self._shared: tuple[_ShellFit | None, frozenset[str], _Known] | None = None

    def add(self, index: int, volume: np.ndarray) -> None:
        """Add volume `index` (3D or 2D, all of the same shape).

        Parameters
        ----------
        index : int
            Position in the series; add each volume only once.
        volume : numpy.ndarray
            Non-negative signal in units of the run's intensity scale; neither kept nor modified.
        """
        if index not in self._chosen:
            return
        self._shared = None
        if index in self._shell_of:
            self._shell_of[index].add(index, volume)
        elif self._b0_sum is None:
            self._b0_sum = volume.astype(np.float32)
        else:
            self._b0_sum += volume

    @property
    def mean_b0(self) -> np.ndarray | None:
        """Mean of the b0 volumes, or None without b0s."""
        return None if self._b0_sum is None else self._b0_sum / len(self._b0s)

    @property
    def mean_dwi(self) -> np.ndarray | None:
        """Mean over the shell with most directions, or None if there are only b0s."""
        if not self._shells:
            return None
        return max(self._shells, key=lambda fit: len(fit.volumes)).mean

    def channels(self, index: int, volume: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        """Return the input channels of volume `index`.

        Parameters
        ----------
        index : int
            Position in the series.
        volume : numpy.ndarray
            The volume itself, of the same shape as those added.
        names : sequence of str
            Channels to return, from ``CHANNELS``.

        Returns
        -------
        list of numpy.ndarray
            One array per name, in the shape and units of `volume`.
        """
        fit = self._shell_of.get(index)
        known = {**self._shared_channels(fit, frozenset(names)), "dwi": volume}
        if fit is not None and "tensor" in names:
            known["tensor"] = fit.predict(index)
        own = known[_OWN]
        arrays = (known.get(name) for name in names)
        return [own if array is None else array for array in arrays]  # type: ignore[misc]

    def share(self, one: int, other: int) -> bool:
        """Return whether two volumes share channels, that is, belong to the same shell."""
        return self._shell_of.get(one) is self._shell_of.get(other)

    def forget(self) -> None:
        """Drop the cached channels of the last shell."""
        self._shared = None

    def _shared_channels(self, fit: _ShellFit | None, names: frozenset[str]) -> _Known:
        # shared by all volumes of a shell; cached for one shell only, as they are large
        if self._shared is None or self._shared[:2] != (fit, names):
            self._shared = None
            self._shared = (fit, names, self._make_shared(fit, names))
        return self._shared[2]

    def _make_shared(self, fit: _ShellFit | None, names: frozenset[str]) -> _Known:
        own = self.mean_b0 if fit is None else fit.mean
        known: _Known = {_OWN: own, "mean_b0": own, "mean_dwi": own}
        if fit is not None:
            known["mean_b0"] = _at_level(self.mean_b0, own)
        else:
            known["mean_dwi"] = _at_level(self.mean_dwi, own)
        if fit is not None and self._frame is not None and not names.isdisjoint(FRAME):
            known.update(zip(FRAME, fit.along(self._frame.directions), strict=True))
        return known


class _ShellFit:
    """Mean and log-linear tensor fit of one shell, accumulated volume by volume."""

    def __init__(self, shell: Shell, gradients: GradientTable, chosen: frozenset[int]) -> None:
        self.volumes = [int(i) for i in shell.indices if int(i) in chosen]
        self._row = {volume: row for row, volume in enumerate(self.volumes)}
        self._design = _design(gradients.bvecs[self.volumes])
        directed = not gradients.not_linear
        self._fits = directed and len(self.volumes) >= MIN_FIT_DIRECTIONS
        self._inverse = np.linalg.pinv(self._design) if self._fits else None
        self._sum: np.ndarray | None = None
        self._coefficients: np.ndarray | None = None

    def add(self, index: int, volume: np.ndarray) -> None:
        if self._sum is None:
            self._sum = np.zeros(volume.shape, np.float32)
            if self._inverse is not None:
                self._coefficients = np.zeros((6, *volume.shape), np.float32)
        self._sum += volume
        if self._inverse is None or self._coefficients is None:
            return
        logs = np.log(np.maximum(volume, _FLOOR), dtype=np.float32)
        for coefficient, weight in zip(
            self._coefficients, self._inverse[:, self._row[index]], strict=True
        ):
            coefficient += np.float32(weight) * logs

    @property
    def mean(self) -> np.ndarray:
        if self._sum is None:
            raise ValueError("no volume of this shell was added")
        return self._sum / np.float32(len(self.volumes))

    def predict(self, index: int) -> np.ndarray | None:
        return self._signal(self._design[self._row[index]])

    def along(self, directions: np.ndarray) -> list[np.ndarray | None]:
        """Predict the signal along `directions`, (n, 3)."""
        return [self._signal(row) for row in _design(directions)]

    def _signal(self, row: np.ndarray) -> np.ndarray | None:
        if self._coefficients is None:
            return None
        row = row.astype(np.float32)
        # keeps the fit bounded in near-zero background; in tissue, even for fluid in a tube,
        # no direction exceeds the mean over directions by this factor
        ceiling = self.mean
        ceiling *= np.float32(_MAX_TO_MEAN)
        signal = np.tensordot(row, self._coefficients, axes=1)
        return np.minimum(np.exp(signal, out=signal), ceiling, out=signal)


_FLOOR = np.float32(1e-3)
"""Signal, relative to the b0's bright tissue, below which no logarithm is taken."""


_MAX_TO_MEAN = 4.0
"""Largest predicted signal, relative to the shell's mean."""


def _at_level(image: np.ndarray | None, own: np.ndarray | None) -> np.ndarray | None:
    """Scale `image` so that the mean of its bright half matches that of `own` there."""
    if image is None or own is None or image is own:
        return image
    bright = image > image.mean()
    total = float(image[bright].sum())
    return image * np.float32(own[bright].sum() / total) if total > 0 else image


def _design(bvecs: np.ndarray) -> np.ndarray:
    """Return the quadratic form of each direction, (V, 6)."""
    x, y, z = bvecs.T
    return np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
