"""What a network reads beside the slice: what all volumes of the series share.

A single diffusion-weighted slice is noisy; its mean over directions is not, and
the tensor fit says what this direction should look like. Everything is
accumulated volume by volume, so the series is never in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import field, frozen

from bids_sr.bids.gradients import GradientTable, Shell

BASIC = ("dwi", "mean_b0", "mean_dwi", "tensor")
"""The slice to super-resolve, and what its series says of it."""

FRAME = (
    "tensor_rows",
    "tensor_columns",
    "tensor_diagonal",
    "tensor_antidiagonal",
    "tensor_across",
)
"""What the tensor fit predicts for five directions fixed to the slice: where fibres run."""

NEIGHBOURS = ("mean_b0_before", "mean_b0_after", "mean_dwi_before", "mean_dwi_after")
"""The mean channels of the slices on both sides."""

CHANNELS = (*BASIC, *FRAME, *NEIGHBOURS)
"""Every channel a network may ask for."""

MIN_FIT_DIRECTIONS = 7
"""A tensor at fixed b has 6 unknowns: with 6 directions the fit would repeat the noise."""


def _unit_rows(value: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float64) / np.linalg.norm(value, axis=1, keepdims=True)


@frozen(eq=False)
class SliceFrame:
    """How slices lie in the arrays that are given, and in the frame of the gradients."""

    axes: np.ndarray = field(converter=_unit_rows)
    """Unit vectors along rows, along columns and across slices, (3, 3), in the frame of
    the bvecs. Along rows means: from one row of the slice to the next."""
    across: int
    """Axis of the arrays across the slices."""

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors of the channels `FRAME`, (5, 3)."""
        rows, columns, across = self.axes
        return _unit_rows(np.stack([rows, columns, rows + columns, rows - columns, across]))


def slice_frame(affine: np.ndarray, slice_axis: int, across: int | None = None) -> SliceFrame:
    """Return the frame of a scan's slices.

    FSL's bvecs run along the voxel axes, the first flipped where the image is
    stored right-handed (positive determinant).

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.
    slice_axis : int
        Voxel axis across the slices; the others are rows and columns, ascending.
    across : int, optional
        Axis across the slices in the arrays that will be given; default `slice_axis`.

    Returns
    -------
    SliceFrame
    """
    voxel_axes = np.eye(3)
    voxel_axes[0, 0] = -1.0 if np.linalg.det(affine[:3, :3]) > 0 else 1.0
    order = [axis for axis in range(3) if axis != slice_axis] + [slice_axis]
    return SliceFrame(voxel_axes[order], slice_axis if across is None else across)


def turned_order(names: Sequence[str], quarter: int, *, flip: bool) -> list[int]:
    """Return where each channel of a turned slice is found in the upright one.

    When a slice is turned, what was along its rows is along its columns.

    Parameters
    ----------
    names : sequence of str
        Channels.
    quarter : int
        Quarter turns (`numpy.rot90`), made first.
    flip : bool
        Whether the columns are reversed afterwards.

    Returns
    -------
    list of int
        Positions in `names`; a channel whose counterpart is not read stands for itself.
    """
    pairs = []
    if quarter % 2:
        pairs.append(("tensor_rows", "tensor_columns"))
    if quarter % 2 != flip:
        pairs.append(("tensor_diagonal", "tensor_antidiagonal"))
    partner = {**dict(pairs), **{b: a for a, b in pairs}}
    wanted = [partner.get(name, name) for name in names]
    return [
        list(names).index(name if name in names else own)
        for name, own in zip(wanted, names, strict=True)
    ]


class SeriesConditioning:
    """Shared channels of one DWI series, from one pass over its volumes.

    The tensor channel of a volume is the signal that a log-linear least-squares
    fit [1]_ to its own shell predicts for its direction. Within a shell S0 and
    the trace are one constant, so six unknowns do and no b0 is needed.

    Channels of another contrast (the mean b0 beside a weighted volume, the mean
    DWI beside a b0) are brought to the level of the volume's own contrast by one
    factor, so that a network sees numbers of one size at any b-value.

    Fallbacks: no b0 -> the shell's mean stands in; fewer than seven directions
    in the shell -> the shell's mean stands in for the tensor; b0 volumes see the
    mean b0 there and the mean of the largest shell as mean DWI. The first and last
    slice are their own neighbours.

    Parameters
    ----------
    gradients : GradientTable
        Of the whole series.
    volumes : sequence of int, optional
        The volumes to use (default: all); the others are ignored.
    frame : SliceFrame, optional
        How slices lie; needed for the channels in `FRAME` and `NEIGHBOURS`.

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

    def add(self, index: int, volume: np.ndarray) -> None:
        """Take volume `index` (any 3D or 2D shape, the same for all) into account.

        Parameters
        ----------
        index : int
            Position in the series; each is given once.
        volume : numpy.ndarray
            Non-negative signal in units of the run's intensity scale; it is not
            kept or changed.
        """
        if index not in self._chosen:
            return
        if index in self._shell_of:
            self._shell_of[index].add(index, volume)
        elif self._b0_sum is None:
            self._b0_sum = volume.astype(np.float32)
        else:
            self._b0_sum += volume

    @property
    def mean_b0(self) -> np.ndarray | None:
        """Mean of the b0 volumes, or None when there is none."""
        return None if self._b0_sum is None else self._b0_sum / len(self._b0s)

    @property
    def mean_dwi(self) -> np.ndarray | None:
        """Mean over the shell with most directions, or None when there are only b0s."""
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
            The volume itself, the same shape as those added.
        names : sequence of str
            Which channels, out of ``CHANNELS``.

        Returns
        -------
        list of numpy.ndarray
            One array of `volume`'s shape per name, in its unit.
        """
        fit = self._shell_of.get(index)
        own = self.mean_b0 if fit is None else fit.mean
        known: dict[str, np.ndarray | None] = {"dwi": volume, "tensor": None}
        known["mean_b0"] = _at_level(self.mean_b0, own)
        known["mean_dwi"] = _at_level(self.mean_dwi, own) if fit is None else own
        if fit is not None and "tensor" in names:
            known["tensor"] = fit.predict(index)
        if fit is not None and self._frame is not None and not set(FRAME).isdisjoint(names):
            known.update(zip(FRAME, fit.along(self._frame.directions), strict=True))
        for name in set(NEIGHBOURS).intersection(names):
            known[name] = self._beside(known[name.rpartition("_")[0]], name)
        arrays = (known.get(name) for name in names)
        return [own if array is None else array for array in arrays]  # type: ignore[misc]

    def _beside(self, image: np.ndarray | None, name: str) -> np.ndarray | None:
        if image is None or self._frame is None:
            return image
        return neighbour(image, self._frame.across, before=name.endswith("before"))


def neighbour(image: np.ndarray, axis: int, *, before: bool) -> np.ndarray:
    """Return for each slice the one before (or after) it; the outermost repeat themselves."""
    last = image.shape[axis] - 1
    order = np.clip(np.arange(last + 1) + (-1 if before else 1), 0, last)
    return np.take(image, order, axis=axis)


class _ShellFit:
    """Mean and log-linear tensor of one shell, accumulated volume by volume."""

    def __init__(self, shell: Shell, gradients: GradientTable, chosen: frozenset[int]) -> None:
        self.volumes = [int(i) for i in shell.indices if int(i) in chosen]
        self._row = {volume: row for row, volume in enumerate(self.volumes)}
        self._design = _design(gradients.bvecs[self.volumes])
        self._fits = len(self.volumes) >= MIN_FIT_DIRECTIONS
        self._inverse = np.linalg.pinv(self._design) if self._fits else None
        self._sum: np.ndarray | None = None
        self._coefficients: np.ndarray | None = None
        self._along: list[np.ndarray] | None = None

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
        """Predict the signal along directions (n, 3); all volumes of the shell share it."""
        if self._coefficients is None:
            return [None] * len(directions)
        if self._along is None:
            self._along = [self._signal(row) for row in _design(directions)]  # type: ignore[misc]
        return list(self._along)

    def _signal(self, row: np.ndarray) -> np.ndarray | None:
        if self._coefficients is None:
            return None
        row = row.astype(np.float32)
        # a fit to near-zero background must not explode; in tissue, even fluid in a
        # tube, no direction comes near this many times the mean over directions
        ceiling = self.mean * np.float32(_MAX_TO_MEAN)
        return np.minimum(np.exp(np.tensordot(row, self._coefficients, axes=1)), ceiling)


_FLOOR = np.float32(1e-3)
"""Signal, of the b0's bright tissue, below which the logarithm is not taken."""


_MAX_TO_MEAN = 4.0
"""Largest predicted signal, relative to the shell's mean."""


def _at_level(image: np.ndarray | None, own: np.ndarray | None) -> np.ndarray | None:
    """Scale `image` so that its bright half has the mean that `own` has there."""
    if image is None or own is None or image is own:
        return image
    bright = image > image.mean()
    total = float(image[bright].sum())
    return image * np.float32(own[bright].sum() / total) if total > 0 else image


def _design(bvecs: np.ndarray) -> np.ndarray:
    """Quadratic form of each direction, (V, 6)."""
    x, y, z = bvecs.T
    return np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
