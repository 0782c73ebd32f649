"""The end of the measured part of k-space, if a scanner filled the rest with zeros.

A zero-filled slice has a step in its spectrum. Two things hide it in a magnitude
image: the noise of the air, which the magnitude operation spreads beyond the band,
and coverage that is not rectangular (partial Fourier, an ellipse). Hence each slice is weighted by
its own blurred intensity, which suppresses the air and moves no edge by more than a frequency or
two, and only the lowest frequencies of the other axis are used. Filters and resampling also remove
high frequencies, but gradually: a step is sharp.
"""

from __future__ import annotations

import math

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

_MIN_SIDE = 24
"""Pixels below which a spectrum is too short to assess."""
_SLICES = 24
"""Slices of a volume that are used."""
_BLUR = 8
"""The weight is the squared slice blurred by a Gaussian of this fraction of its side."""
_OTHER = 0.2
"""Fraction of the other axis's band over which power is averaged."""
_STRONG = 0.5
"""Power, relative to the strongest volume, from which a volume is used: the b0s."""
_EMPTY = 1e-12
"""Power, relative to the largest, below which rounding dominates."""
_RUN = 3
"""Bins on each side of a step for the median."""
_FIRST = 0.2
"""Fraction of the band below which no step is searched: anatomy makes steps there."""
_OUTER = 0.8
"""Fraction of the band beyond which a smaller step suffices: partial Fourier makes none there."""
_STEP, _SHARP = 11.4, 4.0
"""Minimum step, and minimum excess of the step over the slopes on both sides, dB. Partial Fourier
halves the amplitude: a step of 6 dB, more where anatomy adds to it."""
_OUTER_SCORE, _OUTER_SHARP = 8.6, 3.0
"""Further out: minimum of excess plus half the step, and minimum excess, dB."""
_SAGGING = 9.0
"""How far the spectrum may lie below its own trend just before the step, dB. A Fermi filter takes
6, partial Fourier 6; windowed sinc interpolation takes more before it ends in a step."""
_RISING = -15.0
"""How far it may lie above its trend, dB; more occurs only inside a stop band."""
_GAP, _WIDE_SHARP, _WIDE_SAGGING = 2, 17.0, 5.0
"""Strong phase variation across the slice blurs the edge. A second search leaves out this many bins
on both sides of it, and requires a larger step, and less below the trend, than a filter makes."""
_DROP = 6.0
"""How far below the level before the step its last frequency lies, dB: the Nyquist frequency of
the measured band is halved by the magnitude operation."""
FULL = 0.97
"""Fraction of the stored matrix from which all of it counts as acquired."""
_HALF = 0.02
"""A matrix this close to half the stored one, as a fraction of it, is taken to be half."""


@frozen
class Edge:
    """The end of the measured band along one axis."""

    pixels: int
    """The matrix that the band belongs to."""
    step: float
    """How far power falls there, dB."""


class EdgeSpectra:
    """Spectra of a few volumes of one run, along both in-plane axes."""

    def __init__(self) -> None:
        self._sides: tuple[int, int] = (0, 0)
        self._found: list[tuple[float, tuple[NDArray[np.float64], NDArray[np.float64]]]] = []

    def add(self, volume: NDArray[np.float32]) -> None:
        """Add a volume, (slices, a, b)."""
        self._sides = (volume.shape[1], volume.shape[2])
        if min(self._sides) < 2:
            return
        every = math.ceil(len(volume) / _SLICES)
        slices = volume[every // 2 :: every].astype(np.float32)
        largest = float(slices.max(initial=0))
        if largest > 0:
            slices /= largest
            strength = float(np.mean(slices**2)) * largest**2
            self._found.append((strength, _profiles(slices * _weight(slices) ** 2)))

    @property
    def profiles(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Power along a and b, from zero to the Nyquist frequency; None without a volume."""
        strongest = max((strength for strength, _ in self._found), default=0.0)
        if strongest <= 0:
            return None
        used = [powers for strength, powers in self._found if strength >= _STRONG * strongest]
        first, second = (np.mean([powers[axis] for powers in used], axis=0) for axis in (0, 1))
        return first, second

    @property
    def edges(self) -> tuple[Edge | None, Edge | None]:
        """The end of the measured band along a and b; None where no step shows one."""
        profiles = self.profiles
        if profiles is None:
            return None, None
        first, second = (
            find_edge(power, pixels) for power, pixels in zip(profiles, self._sides, strict=True)
        )
        return first, second


def find_edge(power: NDArray[np.float64], pixels: int) -> Edge | None:
    """Find the step at the end of the measured band.

    At each frequency the step is the median power of three bins before minus that of three bins
    after, in dB. The same difference three bins further in and out is subtracted: it is large on a
    slope and small on both sides of an edge.

    Parameters
    ----------
    power : numpy.ndarray
        (bins,) from zero to the Nyquist frequency.
    pixels : int
        Stored side along this axis.

    Returns
    -------
    Edge or None
        None where there is no step, or where more than `FULL` of the band is measured.
    """
    if pixels < _MIN_SIDE or power.max() <= 0:
        return None
    decibel, last = _decibel(power, pixels), power.size - 1
    places = range(max(2 * _RUN + 2, math.ceil(_FIRST * last)), last - 1)
    for gap in (0, _GAP):
        steps = [_look(decibel, place, gap, last) for place in places]
        clear = [step for step in steps if step.is_clear]
        if clear:
            best = max(clear, key=lambda step: step.excess)
            matrix = _matrix(_place(decibel, best.place, gap), pixels)
            return Edge(matrix, best.height) if matrix < FULL * pixels else None
    return None


def falls_by(power: NDArray[np.float64], pixels: int, matrix: int) -> float:
    """Return how far power falls around the end of a matrix's band, dB.

    Parameters
    ----------
    power : numpy.ndarray
        (bins,) from zero to the Nyquist frequency.
    pixels, matrix : int
        Stored side, and the presumed acquired side.
    """
    decibel = _decibel(power, pixels)
    place = matrix // 2
    before = decibel[max(place - 8, 0) : max(place - 4, 1)]
    after = decibel[place + 1 : place + 4]
    return float(np.median(before) - np.median(after))


def _weight(slices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each slice blurred, negative values set to zero."""
    frequencies = (np.fft.fftfreq(slices.shape[-2]), np.fft.rfftfreq(slices.shape[-1]))
    rows, columns = (
        np.exp(-2 * (np.pi * frequency * side / _BLUR) ** 2)
        for frequency, side in zip(frequencies, slices.shape[-2:], strict=True)
    )
    blurred = np.fft.irfft2(np.fft.rfft2(slices) * rows[:, None] * columns, s=slices.shape[-2:])
    return np.maximum(blurred, 0).astype(np.float32)


def _profiles(slices: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    power = np.abs(np.fft.rfft2(slices)) ** 2
    rows, columns = slices.shape[-2:]
    low_rows = np.abs(np.fft.fftfreq(rows)) <= _OTHER / 2
    low_columns = np.fft.rfftfreq(columns) <= _OTHER / 2
    along_columns = power[:, low_rows].mean(axis=(0, 1))
    both = power[:, :, low_columns].mean(axis=(0, 2))
    mirrored = (both + np.roll(both[::-1], 1)) / 2
    return mirrored[: rows // 2 + 1].astype(np.float64), along_columns.astype(np.float64)


def _decibel(power: NDArray[np.float64], pixels: int) -> NDArray[np.float64]:
    """Return power in dB, continued beyond the Nyquist frequency by mirroring."""
    decibel = 10 * np.log10(np.maximum(power / power.max(), _EMPTY))
    mirrored = decibel[::-1][1 - pixels % 2 :]
    return np.concatenate([decibel, mirrored[: 8 * _RUN]])


@frozen
class _Step:
    """The step of a spectrum at one frequency."""

    place: int
    """Its bin."""
    gap: int
    """Bins left out on both sides."""
    height: float
    """Median before it minus median after it, dB."""
    excess: float
    """Excess of the step over the slopes on both sides, dB."""
    sagging: float
    """How far below the trend of the band its last frequencies lie, dB."""
    outer: bool
    """Whether it lies beyond `_OUTER`."""

    @property
    def is_clear(self) -> bool:
        """Whether the step is too clear for a filter, resampling or partial Fourier."""
        if self.gap:
            return self.excess >= _WIDE_SHARP and abs(self.sagging) <= _WIDE_SAGGING
        if not _RISING <= self.sagging <= min(_SAGGING, self.excess):
            return False
        if self.outer:
            return self.excess >= _OUTER_SHARP and self.excess + self.height / 2 >= _OUTER_SCORE
        return self.height >= _STEP and self.excess >= _SHARP


def _look(decibel: NDArray[np.float64], place: int, gap: int, last: int) -> _Step:
    height, beside = _fall(decibel, place, gap), _RUN + 2 * gap
    inwards = max(_fall(decibel, place - beside, gap), 0.0)
    outwards = max(_fall(decibel, place + beside, gap), 0.0)
    if place + beside + _RUN + gap > last:  # bins further out are beyond the Nyquist frequency
        outwards = max(inwards, outwards)
    return _Step(
        place,
        gap,
        height,
        height - inwards - outwards,
        _sagging(decibel, place, gap),
        outer=place > _OUTER * last,
    )


def _fall(decibel: NDArray[np.float64], place: int, gap: int) -> float:
    before = decibel[max(place - gap - _RUN + 1, 0) : max(place - gap + 1, 1)]
    after = decibel[max(place + gap + 1, 1) : max(place + gap + _RUN + 1, 2)]
    return float(np.median(before) - np.median(after))


def _sagging(decibel: NDArray[np.float64], place: int, gap: int) -> float:
    early, late = (
        float(np.median(decibel[round(start * place) : round((start + 0.1) * place) + 1]))
        for start in (0.45, 0.65)
    )
    slope = min(0.0, (late - early) / (0.2 * place))
    expected = late + slope * (0.3 * place - _RUN - gap)
    return expected - float(np.median(decibel[place - gap - 4 : place - gap - 1]))


def _place(decibel: NDArray[np.float64], place: int, gap: int) -> float:
    """Return the end of the band in bins, to a fraction of one."""
    before = float(np.median(decibel[max(place - gap - 5, 1) : place - gap - 1]))
    after = float(np.median(decibel[place + gap + _RUN : place + gap + 2 * _RUN]))
    level = before - min(_DROP, (before - after) / 2)
    reach = _RUN + gap
    inside = [at for at in range(place - reach, place + reach + 1) if decibel[at] >= level]
    if not inside:
        return float(place)
    at = inside[-1]
    return at + min(1.0, float((decibel[at] - level) / max(decibel[at] - decibel[at + 1], 1e-9)))


def _matrix(place: float, pixels: int) -> int:
    """Return the matrix whose band ends there: an even number, as on scanners, or half."""
    half = pixels // 2
    if pixels % 2 == 0 and abs(2 * place - half) <= max(2.0, _HALF * pixels):
        return half
    return 2 * round(place)
