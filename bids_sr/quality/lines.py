"""Bad lines and bad slices of the input: spikes, saturation, signal lost to motion."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.quality.scene import Curves, Figures, Scene, View

LINE_Z = 12.0
"""Robust z from which a line stands out. On 15 of 16 open scans no line exceeds 6; a
saturated one has 50."""
LINE_SHARE = 0.5
"""... and by how much of the volume's mean signal, at least."""
DROPOUT = 0.6
"""A slice is bad when its brightness is below this share of what is expected ..."""
DROPOUT_Z = 8.0
"""... and so far, in robust standard deviations, from the shell's other slices."""
_MIN_SHARE = 0.15
"""Brain in a slice, as a share of the fullest one's, for its brightness to count."""
_MIN_VOLUMES = 4
"""Volumes of a shell that tell how bright a slice should be."""
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
        """As in the record."""
        return f"volume {self.volume}, slice {self.slice} ({self.text})"


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


def bad_lines(profiles: NDArray[np.floating]) -> list[tuple[int, int, bool]]:
    """Find lines that stand out of a volume.

    Parameters
    ----------
    profiles : numpy.ndarray
        (slices, lines), means of one volume's lines.

    Returns
    -------
    list of (int, int, bool)
        Slice, line, whether it is too bright.
    """
    if min(profiles.shape) < 2:
        return []
    level = np.median(profiles.mean(axis=1, dtype=np.float64))
    found = []
    for bright in (True, False):
        excess = line_excess(profiles if bright else -profiles)
        limit = max(LINE_Z * _MAD_TO_SD * _mad(excess), LINE_SHARE * level)
        found += [(int(k), int(line), bright) for k, line in np.argwhere(excess > limit)]
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
    spread = _MAD_TO_SD * _mad(np.log(np.maximum(ratio[np.isfinite(ratio)], 1e-6)))
    low = (ratio < DROPOUT) & (np.log(np.maximum(ratio, 1e-6)) < -DROPOUT_Z * spread)
    return [(int(v), int(k), float(ratio[v, k])) for v, k in np.argwhere(low)]


class BadParts:
    """Gathers line means and slice brightness of the input.

    Parameters
    ----------
    scene : Scene
        The series.
    """

    def __init__(self, scene: Scene) -> None:
        sizes = scene.inside.sum(axis=(1, 2))
        self._inside = scene.inside
        self._enough = (sizes > 0) & (sizes >= _MIN_SHARE * sizes.max())
        self._sizes = sizes
        self._letters = ["ijk"[axis] for axis in scene.grid.in_plane]
        self._lines: list[BadSlice] = []
        self._brightness: dict[str, dict[int, NDArray[np.float64]]] = defaultdict(dict)

    def add(self, view: View) -> None:
        """Look for bad lines in a volume and keep how bright its slices are."""
        for axis, letter in enumerate(self._letters):
            profiles = view.measured.mean(axis=2 - axis)
            for k, line, bright in bad_lines(profiles):
                text = _describe(view.measured[k].take(line, axis=axis), letter, line, bright)
                self._lines.append(BadSlice(view.index, k, text))
        total = np.where(self._inside, view.measured, 0).sum(axis=(1, 2), dtype=np.float64)
        mean = np.where(self._enough, total / np.maximum(self._sizes, 1), np.nan)
        self._brightness[view.shell][view.index] = mean

    def found(self) -> list[BadSlice]:
        """Return all findings by volume and slice."""
        slices = []
        for volumes in self._brightness.values():
            order = sorted(volumes)
            for row, k, share in bad_slices(np.stack([volumes[index] for index in order])):
                text = f"signal loss, {100 * share:.0f} % of what was expected"
                slices.append(BadSlice(order[row], k, text))
        return sorted([*self._lines, *slices], key=lambda bad: (bad.volume, bad.slice))

    def result(self) -> tuple[Figures, Curves]:
        """Return the findings as curves; the record's words are `found`'s."""
        listed = [
            {"volume": bad.volume, "slice": bad.slice, "text": bad.text} for bad in self.found()
        ]
        return {}, {"bad_slices": listed}


def _describe(line: NDArray[np.floating], letter: str, number: int, bright: bool) -> str:
    top = float(line.max())
    if not bright:
        kind = "dark line"
    elif np.count_nonzero(line == top) > 4:  # many equal highest values: a counter at its end
        kind = "saturated line"
    else:
        kind = "bright line"
    return f"{kind} {letter} = {number}"


def _neighbours(relative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the slices below and above; of the one there is at the ends."""
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
