"""Scores of one super-resolved scan, and the small arrays for its figures."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bids_sr.evaluation.scores import fidelity, fit_maps, map_errors
from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.quality.lattice import LatticeSums, normalised_residual
from bids_sr.quality.periods import PERIODS
from bids_sr.study.scans import Dataset, Scan, make_scan

Upsampler = Callable[[torch.Tensor], torch.Tensor]
"""(slices, 1, a, b) -> (slices, f a, f b)."""

CELL = 16
"""Size of the saved lattice cell, pixels: the largest period."""
_CROP = 56
"""Size of the saved crop, pixels."""
_RINGS = 48
"""Bins of the radial spectrum, up to the Nyquist frequency."""


class Scorer:
    """Scores upsamplers on the held-out scans; truths and their fits are computed once.

    Use it as a context manager: it keeps files in a temporary folder.

    Parameters
    ----------
    dataset : Dataset
        Provides the scans.
    threads : int
        CPU threads of the fits.
    """

    def __init__(self, dataset: Dataset, threads: int = 1) -> None:
        self.dataset = dataset
        self.threads = threads
        self._folder = tempfile.TemporaryDirectory()
        self._scans: dict[tuple[int, float], list[tuple[Scan, dict[str, Path]]]] = {}

    def __enter__(self) -> Scorer:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove the temporary folder."""
        self._folder.cleanup()

    def score(
        self, upsample: Upsampler | None, factor: int, noise: float
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Score one upsampler, without data consistency or self-ensemble.

        Parameters
        ----------
        upsample : callable or None
            None scores the truth itself, which has lattice figures only.
        factor : int
            In-plane factor.
        noise : float
            Noise added to the scans before degradation.

        Returns
        -------
        scores : dict
            Means over the scans: `bids_sr.evaluation.scores`, and ``lattice``: by
            image (``dwi``, ``fa``, ``qa``) and period ``f`` and ``a`` of
            `bids_sr.quality.lattice`, and ``median_f``, the median of F over
            single slices, in which a grid shows even if its sign follows the
            contrast.
        arrays : dict of str to numpy.ndarray
            Of the first scan: ``crop_*``, ``cell_*``, ``spectrum`` (power of the
            residual in dB, the origin in the centre) and ``radial``.
        """
        found = [self._score(upsample, *each) for each in self._held_out(factor, noise)]
        return _mean([scores for scores, _ in found]), found[0][1]

    def _held_out(self, factor: int, noise: float) -> list[tuple[Scan, dict[str, Path]]]:
        key = factor, noise
        if key not in self._scans:
            self._scans[key] = []
            for run, prepared in self.dataset.held_out(factor, noise):
                folder = Path(tempfile.mkdtemp(dir=self._folder.name))
                scan = make_scan(run, prepared, self.dataset.data, folder)
                maps = fit_maps(scan.degraded, scan.degraded.truth, self.threads)
                self._scans[key].append((scan, maps))
        return self._scans[key]

    def _score(
        self, upsample: Upsampler | None, scan: Scan, reference: dict[str, Path]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        if upsample is None:
            return _describe(scan, scan.degraded.truth, reference)
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        path = folder / "sr.nii.gz"
        scan.write(_upsampled(scan, upsample), path)
        maps = fit_maps(scan.degraded, path, self.threads)
        errors = {**fidelity(scan.degraded, path), **map_errors(scan.degraded, reference, maps)}
        lattice, arrays = _describe(scan, path, maps)
        for file in folder.iterdir():
            file.unlink()
        return {**errors, **lattice}, arrays


def _upsampled(scan: Scan, upsample: Upsampler) -> Iterator[np.ndarray]:
    for slices in scan.lr:
        channels = torch.from_numpy(slices.astype(np.float32))[:, None]
        yield upsample(channels).clamp_min(0).numpy()


def _describe(
    scan: Scan, path: Path, maps: dict[str, Path]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the lattice metrics of a series and its maps, and the data of their figures."""
    axis, mask = scan.degraded.grid.slice_axis, scan.mask_slices
    weighted = np.flatnonzero(~scan.degraded.lr.gradients.is_b0)
    with DwiReader(path) as reader:
        images = {"dwi": [to_slices(reader.volume(int(i)), axis) for i in weighted]}
    for name in ("fa", "qa"):
        if name in maps:
            images[name] = [to_slices(load_volume(maps[name])[0], axis)]
    sums = {name: _lattice(volumes, mask) for name, volumes in images.items()}
    lattice = {name: _folds(each) for name, each in sums.items()}
    middle, window = _window(mask)
    arrays = {f"crop_{n}": v[0][middle][window].astype(np.float16) for n, v in images.items()}
    arrays |= {
        f"cell_{name}": each.cells()[str(CELL)].astype(np.float32) for name, each in sums.items()
    }
    arrays |= _spectra(images["dwi"], mask)
    return {"lattice": lattice}, arrays


def _folds(sums: LatticeSums) -> dict[str, dict[str, float]]:
    return {
        str(period): {"f": fold.f, "a": fold.amplitude, "median_f": sums.slice_f(period)}
        for period, fold in sums.folds().items()
    }


def _lattice(volumes: list[np.ndarray], mask: np.ndarray) -> LatticeSums:
    sums = LatticeSums()
    for volume in volumes:
        sums.add(normalised_residual(volume, mask), mask)
    return sums


def _window(mask: np.ndarray) -> tuple[int, tuple[slice, slice]]:
    """Choose the slice with most brain, and a window around its centre."""
    middle = int(np.argmax(mask.sum(axis=(1, 2))))
    centres = [int(np.mean(where)) for where in np.nonzero(mask[middle])]
    starts = [
        min(max(c - _CROP // 2, 0), max(n - _CROP, 0))
        for c, n in zip(centres, mask.shape[1:], strict=True)
    ]
    return middle, (slice(starts[0], starts[0] + _CROP), slice(starts[1], starts[1] + _CROP))


def _spectra(volumes: list[np.ndarray], mask: np.ndarray) -> dict[str, np.ndarray]:
    """Return the residual's mean 2D power in dB, and the images' radial spectra."""
    residual, whole = (np.zeros(mask.shape[1:]) for _ in range(2))
    for volume in volumes:
        residual += _power(normalised_residual(volume, mask))
        whole += _power(np.where(mask, volume, 0))
    sides = [np.fft.fftshift(np.fft.fftfreq(n)) for n in mask.shape[1:]]
    radius = np.hypot(sides[0][:, None], sides[1][None])
    ring = np.minimum((radius * 2 * _RINGS).astype(int), _RINGS)
    sums, n = (np.bincount(ring.ravel(), w, minlength=_RINGS + 1) for w in (whole.ravel(), None))
    return {
        "spectrum": _decibel(residual).astype(np.float16),
        "radial": _decibel(sums[:-1] / np.maximum(n[:-1], 1)).astype(np.float32),
    }


def _power(slices: np.ndarray) -> np.ndarray:
    spectrum = np.fft.fftshift(np.fft.fft2(slices), axes=(-2, -1))
    power: np.ndarray = (np.abs(spectrum) ** 2).mean(axis=0)
    return power


def _decibel(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 1e-12))


def _mean(found: list[Any]) -> Any:
    """Average nested metrics; values that are not finite become None, as JSON has no NaN."""
    if isinstance(found[0], dict):
        return {key: _mean([each[key] for each in found if key in each]) for key in found[0]}
    mean = float(np.mean(found))
    return mean if math.isfinite(mean) else None


PERIOD_KEYS = tuple(str(period) for period in PERIODS)
"""Periods as JSON keys."""
