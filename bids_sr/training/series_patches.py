"""Random training patches for a series network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from attrs import frozen

from bids_sr.images.band import keep_band
from bids_sr.images.kspace import fill_matrix, sinc_upsample
from bids_sr.networks.angular_parts import harmonics
from bids_sr.networks.series_network import SLICES
from bids_sr.networks.series_parts import L2_PARTS, PARTS, turned_parts
from bids_sr.training.patches import draw_band, enlarge, rotate_flip, window
from bids_sr.training.series_data import PreparedSeries

_WHOLE = 0.5
"""Fraction of patches whose images come from all directions."""
_CONTRAST = 0.08
"""Largest relative change in the level of the b0 and of the shell."""
_NOISY = 0.3
"""Fraction of patches with added noise."""
_MISSING = {"b0": 0.04, "l2": 0.04, "shell": 0.03}
"""Fraction of patches with missing images, as in real scans."""
_B0 = 0.25
"""Fraction of patches whose b0 is compared by the feature loss."""
_B0_ALONE = 1 / 3
"""Relative frequency of participants without directions."""
_MEANS = PARTS - L2_PARTS


@frozen
class SeriesBatch:
    """Patches ready for the network."""

    images: torch.Tensor
    """(batch, 3 * 7, p, p), float32, low resolution."""
    target: torch.Tensor
    """(batch, 7, f p, f p): target detail."""
    known: torch.Tensor
    """(batch, 7) float32: 1 where `target` is valid."""
    interpolated: torch.Tensor
    """(batch, 7, f p, f p): sinc interpolation of the slice."""
    mix: torch.Tensor
    """(batch, 7): weight of each image in one volume, whose direction is drawn at random."""


class SeriesSampler:
    """Draws batches of rotated patches with varied contrast, noise and band.

    Parameters
    ----------
    runs : sequence of PreparedSeries
        Training runs. Participants are drawn in proportion to the square root of their number of
        pixels, and a third as often if they have b0s only.
    factor : int
        In-plane factor.
    patch : int
        Side p of the low-resolution patch, pixels; smaller slices are zero-padded.
    seed : int
        Random seed.
    zero_filled : float
        Fraction of patches whose images are restricted to part of their band.
    noise : float
        Largest noise added to the images.
    """

    def __init__(
        self,
        runs: Sequence[PreparedSeries],
        factor: int,
        patch: int,
        seed: int,
        zero_filled: float,
        noise: float,
    ) -> None:
        self._runs = list(runs)
        self._factor, self._zero_filled, self._noise = factor, zero_filled, noise
        self._patch = patch
        self._generator = np.random.default_rng(seed)
        self._centres = [np.argwhere(run.foreground) for run in runs]
        self._weights = _shares(runs, [len(centres) for centres in self._centres])
        self._fill = {
            n: fill_matrix(n, factor).astype(np.float32) for run in runs for n in run.lr.shape[3:]
        }

    @property
    def state(self) -> dict[str, object]:
        """State of the random generator, to resume exactly."""
        return dict(self._generator.bit_generator.state)

    @state.setter
    def state(self, value: dict[str, object]) -> None:
        self._generator.bit_generator.state = value

    def draw(self, size: int) -> SeriesBatch:
        """Draw `size` patches."""
        patches = [self._draw_patch() for _ in range(size)]
        stacked = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*patches, strict=True))
        return SeriesBatch(*stacked)

    def _draw_patch(self) -> tuple[np.ndarray, ...]:
        random = self._generator
        number = int(random.choice(len(self._runs), p=self._weights))
        run = self._runs[number]
        places = self._centres[number]
        z, row, column = map(int, places[random.integers(len(places))])
        view = self._draw_view(run)
        beside = [z, max(z - 1, 0), min(z + 1, run.lr.shape[2] - 1)]
        images = run.lr[view][:, beside].astype(np.float32)  # (7, 3, a, b)
        cut = tuple(
            window(centre, self._patch, side)
            for centre, side in zip((row, column), images.shape[2:], strict=True)
        )
        fine = enlarge(cut[0], self._factor), enlarge(cut[1], self._factor)
        target = run.detail[run.shell[view], :, z, fine[0], fine[1]].astype(np.float32)
        band = draw_band(random, self._zero_filled)
        if band is not None:
            kept = keep_band(torch.from_numpy(images), band).numpy()
            lost = torch.from_numpy(images[:, 0] - kept[:, 0])
            target += sinc_upsample(lost, self._factor).numpy()[:, fine[0], fine[1]]
            images = kept
        left, right = (self._fill[n] for n in images.shape[2:])
        interpolated = left[fine[0]] @ images[:, 0] @ right[fine[1]].T
        known = np.repeat(np.array(run.known[run.shell[view]], np.float32), (1, 1, L2_PARTS))
        whole = (images[:, :, cut[0], cut[1]], target, interpolated)
        sides = self._patch, self._patch * self._factor, self._patch * self._factor
        images, target, interpolated = map(_padded, whole, sides)
        return self._varied(images, target, interpolated, known)

    def _draw_view(self, run: PreparedSeries) -> int:
        """Draw a shell, and whether its images come from all of its directions."""
        shell = int(self._generator.choice(run.teaching))
        views = np.flatnonzero(np.equal(run.shell, shell))
        if len(views) == 1 or self._generator.random() < _WHOLE:
            return int(views[0])
        return int(self._generator.choice(views[1:]))

    def _varied(
        self, images: np.ndarray, target: np.ndarray, interpolated: np.ndarray, known: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        random = self._generator
        gains = np.repeat(random.uniform(1 - _CONTRAST, 1 + _CONTRAST, 2), (1, PARTS - 1))
        gain = gains.astype(np.float32)[:, None, None]
        images, target, interpolated = images * gain[:, None], target * gain, interpolated * gain
        if random.random() < _NOISY:
            sigma = np.repeat(random.uniform(0, self._noise, 2), (1, PARTS - 1))
            noise = random.standard_normal(images.shape, np.float32)
            images += noise * sigma.astype(np.float32)[:, None, None, None] * _present(images)
        known = self._drop(images, interpolated, known)
        quarter, flip = int(random.integers(4)), bool(random.integers(2))
        back = bool(random.integers(2))
        matrix = turned_parts(quarter, flip=flip, back=back).astype(np.float32)
        if back:
            images = images[:, [0, 2, 1]]
        arrays = [rotate_flip(array, quarter, flip) for array in (images, target, interpolated)]
        for array in arrays:
            array[_MEANS:] = np.tensordot(matrix, array[_MEANS:], axes=1)
        images, target, interpolated = arrays
        stack = np.moveaxis(images, 1, 0).reshape(SLICES * PARTS, *images.shape[2:])
        return np.ascontiguousarray(stack), target, known, interpolated, self._mix(known)

    def _drop(self, images: np.ndarray, interpolated: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Randomly remove images that some scans lack; in place except for `known`."""
        random, known = self._generator, known.copy()
        for name, parts in (
            ("b0", slice(0, 1)),
            ("l2", slice(_MEANS, PARTS)),
            ("shell", slice(1, PARTS)),
        ):
            rest = np.delete(known, parts)
            if random.random() < _MISSING[name] and rest.any():
                images[parts] = interpolated[parts] = known[parts] = 0
        return known

    def _mix(self, known: np.ndarray) -> np.ndarray:
        """Draw a volume: the b0 or a weighted one."""
        mix = np.zeros(PARTS, np.float32)
        direction = self._generator.standard_normal(3)
        if known[0] and (self._generator.random() < _B0 or not known[1]):
            mix[0] = 1
            return mix
        direction /= np.linalg.norm(direction)
        mix[1:] = harmonics(direction[None], 2)[0][0]
        mix *= known
        return mix


def _shares(runs: Sequence[PreparedSeries], pixels: Sequence[int]) -> np.ndarray:
    """Return the probability of each run, so that a person with many runs does not dominate."""
    shares = np.zeros(len(runs))
    people = [run.label.partition("_")[0] for run in runs]
    for person in dict.fromkeys(people):
        own = [i for i, other in enumerate(people) if other == person]
        size = np.array([pixels[i] for i in own], float)
        alone = not any(mean for i in own for _, mean, _ in runs[i].known)
        shares[own] = size / np.sqrt(size.sum()) * (_B0_ALONE if alone else 1.0)
    return shares / shares.sum()


def _padded(images: np.ndarray, side: int) -> np.ndarray:
    margins = [(0, 0)] * (images.ndim - 2) + [(0, side - n) for n in images.shape[-2:]]
    padded: np.ndarray = np.pad(images, margins)
    return padded


def _present(images: np.ndarray) -> np.ndarray:
    """Return which images are present, (7, 1, 1, 1)."""
    return np.asarray(images.any(axis=(1, 2, 3), keepdims=True), np.float32)
