"""Random training patches out of prepared runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from attrs import frozen

from bids_sr.errors import UsageError
from bids_sr.images.band import keep_band
from bids_sr.images.kspace import fill_matrix
from bids_sr.networks.channels import CHANNELS
from bids_sr.training.prepare import PreparedRun, SeriesView

_B0_SHARE = 0.15
"""b0s are few but matter: this share of patches shows one."""

_FULL_VIEW_SHARE = 0.5
"""Share of patches whose channels come from all directions of the run."""

_DROP = {"mean_b0": 0.1, "tensor": 0.1}
"""How often a shared channel falls back to the mean DWI, as where it is missing."""

_FILLED_BAND = (0.6, 0.95)
"""Measured share of the band, in slices that are to look interpolated by the scanner."""

_DROP_ALL = 0.05
"""How often the slice stands alone."""


@frozen
class Batch:
    """Patches ready for the network, each in units of its shell's bright tissue."""

    channels: torch.Tensor
    """(batch, channels, p, p), float32, low resolution."""
    interpolated: torch.Tensor
    """(batch, 1, f p, f p): sinc interpolation of the whole slice, cut here."""
    target: torch.Tensor
    """(batch, 1, f p, f p)."""


class PatchSampler:
    """Draws batches of flipped, transposed, intensity-jittered patches.

    Parameters
    ----------
    runs : sequence of PreparedRun
        Each run is drawn equally often.
    factor : int
        In-plane factor.
    channels : sequence of str
        Channels of the network.
    patch : int
        Side p of the low-resolution patch, pixels.
    seed : int
        Of the draw.
    zero_filled : float
        Share of patches whose low-resolution slice and channels are cut to a part
        of their band, as if the scanner had interpolated them.
    augment : bool
        False: patches are cut as they are, in units of the run's intensity scale.

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
        *,
        augment: bool = True,
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
        self._augment = augment
        self._generator = np.random.default_rng(seed)
        self._centres = [np.argwhere(run.foreground) for run in runs]
        self._fill = {
            n: fill_matrix(n, factor).astype(np.float32) for run in runs for n in run.lr.shape[2:]
        }

    @property
    def state(self) -> dict[str, object]:
        """State of the random generator, for an exact resume."""
        return dict(self._generator.bit_generator.state)

    @state.setter
    def state(self, value: dict[str, object]) -> None:
        self._generator.bit_generator.state = value

    def draw(self, size: int) -> Batch:
        """Return `size` patches."""
        patches = [self._draw_one() for _ in range(size)]
        stacked = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*patches, strict=True))
        return Batch(*stacked)

    def _draw_one(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        number = int(self._generator.integers(len(self._runs)))
        run, view = self._runs[number], self._draw_view(self._runs[number])
        k = self._draw_volume(view)
        z, row, column = self._centres[number][self._generator.integers(len(self._centres[number]))]
        rows = _window(row, self._patch, run.lr.shape[2])
        columns = _window(column, self._patch, run.lr.shape[3])
        volume = int(view.volumes[k])
        slices = np.concatenate([run.lr[volume, z][None], view.shared[k, :, z]]).astype(np.float32)
        lr, *shared = self._fill_in(slices)
        cut = np.stack([channel[rows, columns] for channel in shared])
        channels = self._choose_channels(lr[rows, columns], cut)
        fine = (_enlarge(rows, self._factor), _enlarge(columns, self._factor))
        left, right = (self._fill[n] for n in lr.shape)
        interpolated = left[fine[0]] @ lr @ right[fine[1]].T
        target = run.hr[volume, z, fine[0], fine[1]].astype(np.float32)
        if not self._augment:
            return channels, interpolated[None], target[None]
        gain = np.float32(self._generator.uniform(0.7, 1.3) / view.level[k])
        arrays = (channels * gain, interpolated[None] * gain, target[None] * gain)
        return self._turn(arrays)

    def _fill_in(self, slices: np.ndarray) -> np.ndarray:
        """Now and then cut whole slices, (n, a, b), to a part of their band."""
        # no number is drawn when nothing is filled, so that older trainings can be repeated
        if not self._zero_filled or self._generator.random() >= self._zero_filled:
            return slices
        along_a, along_b = self._generator.uniform(*_FILLED_BAND, size=2).round(2)
        which = self._generator.integers(3)
        band = (along_a if which != 1 else 1.0, along_b if which != 0 else 1.0)
        filled: np.ndarray = keep_band(torch.from_numpy(slices), band).abs().numpy()
        return filled

    def _draw_view(self, run: PreparedRun) -> SeriesView:
        if len(run.views) == 1 or self._generator.random() < _FULL_VIEW_SHARE:
            return run.views[0]
        return run.views[int(self._generator.integers(1, len(run.views)))]

    def _draw_volume(self, view: SeriesView) -> int:
        b0s = np.flatnonzero(view.is_b0)
        others = np.flatnonzero(~view.is_b0)
        pick_b0 = self._generator.random() < _B0_SHARE
        pool = b0s if (pick_b0 and b0s.size) or not others.size else others
        return int(self._generator.choice(pool))

    def _choose_channels(self, slice_: np.ndarray, shared: np.ndarray) -> np.ndarray:
        if self._augment:
            return self._degrade_channels(slice_, shared)
        named = dict(zip(CHANNELS, [slice_, *shared], strict=True))
        return np.stack([named[name] for name in self._channels])

    def _degrade_channels(self, slice_: np.ndarray, shared: np.ndarray) -> np.ndarray:
        """Let shared channels vary in contrast, and sometimes be missing."""
        named = dict(zip(CHANNELS[1:], shared, strict=True))
        named["mean_b0"] = named["mean_b0"] * np.float32(self._generator.uniform(0.7, 1.4))
        for name, share in _DROP.items():
            if self._generator.random() < share:
                named[name] = named["mean_dwi"]
        if self._generator.random() < _DROP_ALL:
            named = dict.fromkeys(named, slice_)
        named["dwi"] = slice_
        return np.stack([named[name] for name in self._channels])

    def _turn(self, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        quarter, flip = int(self._generator.integers(4)), bool(self._generator.integers(2))
        turned = []
        for array in arrays:
            array = np.rot90(array, quarter, axes=(-2, -1))
            turned.append(np.ascontiguousarray(array[..., ::-1] if flip else array))
        return turned[0], turned[1], turned[2]


def _window(centre: int, size: int, limit: int) -> slice:
    start = min(max(int(centre) - size // 2, 0), max(limit - size, 0))
    return slice(start, min(start + size, limit))


def _enlarge(window: slice, factor: int) -> slice:
    return slice(window.start * factor, window.stop * factor)
