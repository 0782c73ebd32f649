"""Random training patches from prepared runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from attrs import frozen

from bids_sr.errors import UsageError
from bids_sr.images.band import keep_band
from bids_sr.images.kspace import fill_matrix
from bids_sr.networks.slice_frame import turned_order
from bids_sr.training.network_input import read_slice
from bids_sr.training.prepare import PreparedRun
from bids_sr.training.views import SeriesView

_FULL_VIEW_SHARE = 0.5
"""Fraction of patches whose channels come from all directions of the run."""

_DROP = {"mean_b0": 0.1, "tensor": 0.1}
"""Probability that a shared channel is replaced by the mean DWI, as if it were missing; the frame
channels are replaced together with the tensor."""

_FILLED_BAND = (0.6, 0.95)
"""Measured fraction of the band, in slices made to look interpolated by the scanner."""

_DROP_ALL = 0.05
"""Probability that the slice comes without further channels."""


@frozen
class Batch:
    """Patches ready for the network, each in units of its shell's bright tissue."""

    channels: torch.Tensor
    """(batch, channels, p, p), float32, low resolution."""
    interpolated: torch.Tensor
    """(batch, 1, f p, f p): patch of the sinc interpolation of the whole slice."""
    target: torch.Tensor
    """(batch, 1, f p, f p): high-resolution target."""


@frozen
class _Flaws:
    """Random variations of a patch."""

    b0_contrast: np.float32
    missing: frozenset[str]
    alone: bool
    gain: float
    quarter: int
    flip: bool


class PatchSampler:
    """Draws batches of flipped, transposed, intensity-jittered patches.

    Parameters
    ----------
    runs : sequence of PreparedRun
        Training runs, drawn with equal probability.
    factor : int
        In-plane factor.
    channels : sequence of str
        Input channels of the network.
    patch : int
        Side p of the low-resolution patch, pixels.
    seed : int
        Random seed.
    zero_filled : float
        Fraction of patches whose low-resolution slice and channels are restricted to part of
        their band, as if interpolated by the scanner.
    noise : float
        Largest standard deviation of the Rician noise added to the low-resolution slice (not to
        the shared channels), in units of the run's scale.
    augment : bool
        If False, patches are cut without augmentation, in units of the run's intensity scale.
    b0_share : float
        Fraction of patches that show a b0, which are few in a run but matter.

    Raises
    ------
    UsageError
        If a run's slices are smaller than the patch.
    """

    def __init__(
        self,
        runs: Sequence[PreparedRun],
        factor: int,
        channels: Sequence[str],
        patch: int = 40,
        seed: int = 0,
        zero_filled: float = 0.0,
        noise: float = 0.0,
        *,
        augment: bool = True,
        b0_share: float = 0.15,
    ) -> None:
        for run in runs:
            if min(run.lr.shape[2:]) < patch:
                raise UsageError(
                    f"{run.label}: its low-resolution slices of {run.lr.shape[2:]} pixels"
                    f" hold no patch of {patch}.",
                    remedy="Give a smaller --patch or leave the run out.",
                )
        self._runs = list(runs)
        self._factor = factor
        self._channels = list(channels)
        self._patch = patch
        self._zero_filled = zero_filled
        self._noise = noise
        self._augment = augment
        self._b0_share = b0_share
        self._generator = np.random.default_rng(seed)
        self._centres = [np.argwhere(run.foreground) for run in runs]
        self._fill = {
            n: fill_matrix(n, factor).astype(np.float32) for run in runs for n in run.lr.shape[2:]
        }

    @property
    def state(self) -> dict[str, object]:
        """State of the random generator, to resume exactly."""
        return dict(self._generator.bit_generator.state)

    @state.setter
    def state(self, value: dict[str, object]) -> None:
        self._generator.bit_generator.state = value

    def draw(self, size: int) -> Batch:
        """Draw `size` patches."""
        patches = [self._draw_patch() for _ in range(size)]
        stacked = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*patches, strict=True))
        return Batch(*stacked)

    def _draw_patch(self) -> tuple[np.ndarray, ...]:
        number = int(self._generator.integers(len(self._runs)))
        run, view = self._runs[number], self._draw_view(self._runs[number])
        k = self._draw_volume(view)
        z, row, column = self._centres[number][self._generator.integers(len(self._centres[number]))]
        windows = (
            window(row, self._patch, run.lr.shape[2]),
            window(column, self._patch, run.lr.shape[3]),
        )
        band = draw_band(self._generator, self._zero_filled) if self._augment else None
        flaws = self._draw_flaws() if self._augment else None
        return self._make(run, view, k, int(z), windows, band, flaws)

    def _make(
        self,
        run: PreparedRun,
        view: SeriesView,
        k: int,
        z: int,
        windows: tuple[slice, slice],
        band: tuple[float, float] | None,
        flaws: _Flaws | None,
    ) -> tuple[np.ndarray, ...]:
        volume = int(view.volumes[k])
        lr, named = self._slices(run, view, k, z, band)
        named = {name: image[windows] for name, image in named.items()}
        named["dwi"] = lr[windows]
        if flaws is not None:
            named = _flawed(named, flaws)
        channels = np.stack([named[name] for name in self._channels])
        fine = (enlarge(windows[0], self._factor), enlarge(windows[1], self._factor))
        left, right = (self._fill[n] for n in lr.shape)
        interpolated = left[fine[0]] @ lr @ right[fine[1]].T
        target = run.hr[volume, z, fine[0], fine[1]].astype(np.float32)
        if flaws is None:
            return channels, interpolated[None], target[None]
        gain = np.float32(flaws.gain / view.level[k])
        order = turned_order(self._channels, flaws.quarter, flip=flaws.flip)
        arrays = (channels[order] * gain, interpolated[None] * gain, target[None] * gain)
        return tuple(rotate_flip(array, flaws.quarter, flaws.flip) for array in arrays)

    def _slices(
        self,
        run: PreparedRun,
        view: SeriesView,
        k: int,
        z: int,
        band: tuple[float, float] | None,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the whole slice and the further channels by name."""
        named = read_slice(run, view, k, z, self._channels)
        stack = np.stack(list(named.values())).astype(np.float32)
        if band is not None:
            stack = keep_band(torch.from_numpy(stack), band).abs().numpy()
        images = dict(zip(named, stack, strict=True))
        return self._noisy(images.pop("dwi")), images

    def _noisy(self, lr: np.ndarray) -> np.ndarray:
        if not self._noise:
            return lr
        sigma = self._generator.uniform(0, self._noise)
        real, imaginary = self._generator.normal(0, sigma, (2, *lr.shape)).astype(np.float32)
        noisy: np.ndarray = np.hypot(lr + real, imaginary)
        return noisy

    def _draw_flaws(self) -> _Flaws:
        """Draw contrast changes of shared channels, and sometimes drop channels."""
        contrast = np.float32(self._generator.uniform(0.7, 1.4))
        missing = {name for name, share in _DROP.items() if self._generator.random() < share}
        alone = self._generator.random() < _DROP_ALL
        gain = self._generator.uniform(0.7, 1.3)
        quarter, flip = int(self._generator.integers(4)), bool(self._generator.integers(2))
        return _Flaws(contrast, frozenset(missing), alone, gain, quarter, flip)

    def _draw_view(self, run: PreparedRun) -> SeriesView:
        if len(run.views) == 1 or self._generator.random() < _FULL_VIEW_SHARE:
            return run.views[0]
        return run.views[int(self._generator.integers(1, len(run.views)))]

    def _draw_volume(self, view: SeriesView) -> int:
        b0s = np.flatnonzero(view.is_b0)
        others = np.flatnonzero(~view.is_b0)
        pick_b0 = self._generator.random() < self._b0_share
        pool = b0s if (pick_b0 and b0s.size) or not others.size else others
        return int(self._generator.choice(pool))


def _flawed(images: dict[str, np.ndarray], flaws: _Flaws) -> dict[str, np.ndarray]:
    """Replace missing channels as the app does, and vary the contrast of the b0."""
    if flaws.alone:
        return dict.fromkeys(images, images["dwi"])
    known = dict(images)
    for name, image in images.items():
        basic = "tensor" if name.startswith("tensor") else name
        if basic in flaws.missing:
            # only channels that the network reads can be substituted
            known[name] = images.get("mean_dwi", image)
        elif basic == "mean_b0":
            known[name] = image * flaws.b0_contrast
    return known


def draw_band(generator: np.random.Generator, share: float) -> tuple[float, float] | None:
    """With probability `share`, draw the part of the band to which slices are restricted."""
    # draws no random number without zero-filling, so that older trainings stay reproducible
    if not share or generator.random() >= share:
        return None
    along_a, along_b = generator.uniform(*_FILLED_BAND, size=2).round(2)
    which = generator.integers(3)
    return (along_a if which != 1 else 1.0, along_b if which != 0 else 1.0)


def rotate_flip(array: np.ndarray, quarter: int, flip: bool) -> np.ndarray:
    """Rotate slices (..., a, b) by quarter turns, then reverse their columns."""
    array = np.rot90(array, quarter, axes=(-2, -1))
    return np.ascontiguousarray(array[..., ::-1] if flip else array)


def window(centre: int, size: int, limit: int) -> slice:
    """Return a slice of `size` pixels around `centre`, within 0 to `limit`."""
    start = min(max(int(centre) - size // 2, 0), max(limit - size, 0))
    return slice(start, min(start + size, limit))


def enlarge(window: slice, factor: int) -> slice:
    """Return the same window at `factor` times the resolution."""
    return slice(window.start * factor, window.stop * factor)
