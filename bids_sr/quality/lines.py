"""Bad lines and bad slices of the input: spikes, saturation, signal lost to motion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.quality.series_context import Curves, Metrics, SeriesContext, VolumePair

LINE_Z = 15.0
"""Robust z above which a line stands out. A saturated line of an open data set has 50;
anatomy reaches 17 where signal piles up next to air."""
LINE_SHARE = 1.0
"""... and by how much of the volume's mean signal, at least: 3.8 and 0.7 there."""
DROPOUT = 0.6
"""A slice is bad when its brightness is below this share of what is expected ..."""
DROPOUT_Z = 8.0
"""... and at least this far, in robust standard deviations, from the shell's other slices."""
_MIN_SHARE = 0.15
"""Least brain in a slice, as a share of the fullest one's, for its brightness to count."""
_MIN_VOLUMES = 4
"""Volumes a shell needs to predict how bright a slice should be."""
_SATURATED = 4
"""Voxels of a line at the volume's largest value from which the line counts as saturated."""
_MAD_TO_SD = 1.4826


@frozen
class BadSlice:
    """A slice that should not be trusted."""

    volume: int
    """From 0."""
    slice: int
    """Along the slice axis, from 0."""
    text: str
    """What is wrong, with axis letter and voxel index."""

    @property
    def words(self) -> str:
        """Its text in the record."""
        return f"volume {self.volume}, slice {self.slice} ({self.text})"


@frozen(eq=False)
class _Kept:
    """What is kept of one volume."""

    index: int
    profiles: tuple[NDArray[np.float32], NDArray[np.float32]]
    """Mean of each line along both in-plane axes, (slices, lines)."""
    full: tuple[NDArray[np.intp], NDArray[np.intp]]
    """Voxels of each line that hold the volume's largest value."""
    brightness: NDArray[np.float64]
    """Of each slice, in the brain; NaN with too little brain."""


def line_excess(profiles: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return by how much each line is brighter than the brightest of its neighbours.

    Neighbours are the next lines of its slice and the same line of the next slices.
    Anatomy goes on into at least one of them.

    Parameters
    ----------
    profiles : numpy.ndarray
        (slices, lines), means of one volume's lines.

    Returns
    -------
    numpy.ndarray
        (slices, lines), mostly negative. That of the negative profiles tells how much
        darker a line is than the darkest of its neighbours.
    """
    values = np.asarray(profiles, np.float64)
    padded = np.pad(values, 1, mode="reflect")  # at the rim the inner neighbour counts twice
    sides = (padded[1:-1, 2:], padded[1:-1, :-2], padded[2:, 1:-1], padded[:-2, 1:-1])
    excess: NDArray[np.float64] = values - np.max(sides, axis=0)
    return excess


def bad_lines(profiles: NDArray[np.floating]) -> list[tuple[int, int, int, bool]]:
    """Find lines that stand out in the volumes of one shell.

    A line must stand out from its volume and, if the shell has four volumes or more,
    from the same line in the others: where tissue borders air, signal can pile up on a
    line in every volume.

    Parameters
    ----------
    profiles : numpy.ndarray
        (volumes, slices, lines), means of the lines.

    Returns
    -------
    list of (int, int, int, bool)
        Row, slice, line, whether it is too bright.
    """
    if min(profiles.shape[1:]) < 2:
        return []
    found = []
    for bright in (True, False):
        signed = profiles if bright else -profiles
        excess = np.stack([line_excess(volume) for volume in signed])
        usual = np.median(excess, axis=0) if len(excess) >= _MIN_VOLUMES else -np.inf
        for row, values in enumerate(excess):
            level = float(np.median(profiles[row].mean(axis=1, dtype=np.float64)))
            limit = max(LINE_Z * _MAD_TO_SD * _mad(values), LINE_SHARE * level)
            standing = (values > limit) & (values - usual > limit)
            found += [(row, int(k), int(line), bright) for k, line in np.argwhere(standing)]
    return found


def bad_slices(brightness: NDArray[np.floating]) -> list[tuple[int, int, float]]:
    """Find slices whose signal dropped, among the volumes of one shell.

    Parameters
    ----------
    brightness : numpy.ndarray
        (volumes, slices), mean in the brain; NaN where there is too little brain.

    Returns
    -------
    list of (int, int, float)
        Row, slice, and the brightness as a share of what was expected: that of the
        slice in the shell's other volumes, adjusted for how bright the two
        neighbouring slices of the volume are.
    """
    if len(brightness) < _MIN_VOLUMES:
        return []
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = brightness / _nanmedian(brightness, axis=0)
    # directions differ in brightness from slice to slice: the volume's own neighbours tell
    expected = _neighbours(relative)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = relative / expected
    sd = _MAD_TO_SD * _mad(np.log(np.maximum(ratio[np.isfinite(ratio)], 1e-6)))
    low = (ratio < DROPOUT) & (np.log(np.maximum(ratio, 1e-6)) < -DROPOUT_Z * sd)
    return [(int(v), int(k), float(ratio[v, k])) for v, k in np.argwhere(low)]


class BadParts:
    """Gathers line means and slice brightness of the input.

    Parameters
    ----------
    context : SeriesContext
        The series.
    """

    def __init__(self, context: SeriesContext) -> None:
        sizes = context.inside.sum(axis=(1, 2))
        self._inside = context.inside
        self._enough = (sizes > 0) & (sizes >= _MIN_SHARE * sizes.max())
        self._sizes = sizes
        self._letters = ["ijk"[axis] for axis in context.grid.in_plane]
        self._shells: dict[str, list[_Kept]] = defaultdict(list)

    def add(self, pair: VolumePair) -> None:
        """Store the line means and slice brightness of a volume."""
        total = np.where(self._inside, pair.measured, 0).sum(axis=(1, 2), dtype=np.float64)
        full = pair.measured == pair.measured.max()
        kept = _Kept(
            pair.index,
            (pair.measured.mean(axis=2), pair.measured.mean(axis=1)),
            (full.sum(axis=2), full.sum(axis=1)),
            np.where(self._enough, total / np.maximum(self._sizes, 1), np.nan),
        )
        self._shells[pair.shell].append(kept)

    def found(self) -> list[BadSlice]:
        """Return all findings by volume and slice."""
        bad = [one for volumes in self._shells.values() for one in self._of_shell(volumes)]
        return sorted(bad, key=lambda one: (one.volume, one.slice))

    def _of_shell(self, volumes: list[_Kept]) -> Iterator[BadSlice]:
        for axis, letter in enumerate(self._letters):
            profiles = np.stack([kept.profiles[axis] for kept in volumes])
            for row, k, line, bright in bad_lines(profiles):
                kind = "bright" if bright else "dark"
                if bright and volumes[row].full[axis][k, line] >= _SATURATED:
                    kind = "saturated"
                yield BadSlice(volumes[row].index, k, f"{kind} line {letter} = {line}")
        for row, k, share in bad_slices(np.stack([kept.brightness for kept in volumes])):
            text = f"signal loss, {100 * share:.0f} % of the expected brightness"
            yield BadSlice(volumes[row].index, k, text)

    def result(self) -> tuple[Metrics, Curves]:
        """Return the findings as curves; `found` gives the record's text."""
        listed = [
            {"volume": bad.volume, "slice": bad.slice, "text": bad.text} for bad in self.found()
        ]
        return {}, {"bad_slices": listed}


def _neighbours(relative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the slices below and above; at the ends, the only neighbour."""
    padded = np.pad(relative, ((0, 0), (1, 1)), constant_values=np.nan)
    pair = np.stack([padded[:, :-2], padded[:, 2:]])
    known = np.isfinite(pair)
    total = np.where(known, pair, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _nanmedian(values: NDArray[np.floating], axis: int) -> NDArray[np.float64]:
    median = np.median(np.where(np.isfinite(values), values, 0.0), axis=axis)
    return np.where(np.isfinite(values).any(axis=axis), median, np.nan)  # no warning for all-NaN


def _mad(values: NDArray[np.floating]) -> float:
    return float(np.median(np.abs(values - np.median(values)))) if values.size else 0.0
