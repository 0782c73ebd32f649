"""What a hot voxel or a saturated line does to the rest of its slice.

    python benchmarks/hot_voxels.py DATASET --participant-label philips02

Cuts a scan to 1/f of its band, plants a hot voxel (or a line of them) of so many times the
brightness of the b0 in one slice of it, super-resolves it, and prints the root mean square error
of that slice's brain against the scan, in units of that brightness: with the network shown the
hot voxel, and as the app does it. What the hot voxel itself rings by (sinc interpolation keeps
it) is taken out, and so are the lines it lies on and what was cut off at zero.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from unittest import mock

import nibabel as nib
import numpy as np
import torch
from attrs import evolve

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.evaluation.degraded_scan import DegradedScan, choose_run, make_degraded_scan
from bids_sr.images.grid import to_slices
from bids_sr.images.hot_voxels import find_hot_voxels
from bids_sr.images.kspace import sinc_upsample
from bids_sr.networks.registry import load_card
from bids_sr.superres import first_pass
from bids_sr.superres.engine import super_resolve

SIZES = (3, 10, 30, 100)
NEAR = 3
"""Coarse pixels on both sides of the hot voxel's lines that are not scored."""


def main() -> None:
    """Print one row per planted thing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--participant-label", required=True)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--model")
    parser.add_argument("--volumes", type=int, nargs="+", default=[0, 3])
    given = parser.parse_args()
    run = choose_run(given.dataset, given.participant_label)
    card = load_card(given.model, given.scale)
    print("| planted | volume | sinc | clean | shown to the network | as it is done |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(make_degraded_scan(run, given.scale, 1, Path(name)), card, Path(name))
        for volume in given.volumes:
            for words, cut in bench.places():
                for size in SIZES:
                    errors = bench.errors(volume, cut, size)
                    cells = " | ".join(f"{error:.4f}" for error in errors)
                    print(f"| {words}, {size} x b0 | {volume} | {cells} |", flush=True)


class Bench:
    """Plants and scores; slices are (slices, a, b)."""

    def __init__(self, degraded: DegradedScan, card, folder: Path) -> None:
        self._degraded, self._card, self._folder = degraded, card, folder
        self._axis, self._factor = degraded.grid.slice_axis, degraded.grid.factor
        image = nib.load(degraded.lr.files.dwi)
        self._series, self._affine = image.get_fdata(dtype=np.float32), image.affine
        self._truth = nib.load(degraded.truth).get_fdata(dtype=np.float32)
        self._mask = to_slices(degraded.mask, self._axis)
        self._scale = find_hot_voxels(self._series[..., 0], self._axis).bright
        self._clean: dict[int, np.ndarray] = {}
        self._z = int(np.argmax(self._mask.sum(axis=(1, 2))))

    def places(self):
        """Return names, and where in the slice: a voxel in the brain, one in air, a line."""
        inside = self._mask[self._z, :: self._factor, :: self._factor]
        rows, columns = np.nonzero(inside)
        middle = int(np.median(rows)), int(np.median(columns))
        return (
            ("voxel in the brain", middle),
            ("voxel in the air", (5, 5)),
            ("line", (slice(None), middle[1] + 4)),
        )

    def errors(self, volume: int, cut, size: float) -> list[float]:
        """Return the errors of one row of the table."""
        if volume not in self._clean:
            self._clean[volume] = self._resolve(self._series, volume)
        spoiled = self._series.copy()
        to_slices(spoiled[..., volume], self._axis)[(self._z, *cut)] = size * self._scale
        nothing = first_pass.find_hot_voxels(np.zeros((1, 1, 1), np.float32), self._axis)

        def none(slices, axis):
            return evolve(nothing, bright=find_hot_voxels(slices, axis).bright)

        with mock.patch.object(first_pass, "find_hot_voxels", none):
            shown = self._resolve(spoiled, volume)
        done = self._resolve(spoiled, volume)
        sincs = [self._sinc(series[..., volume]) for series in (self._series, spoiled)]
        free = self._free(cut) & np.all([part > 0 for part in (shown, done, *sincs)], axis=0)
        ringing = sincs[1] - sincs[0]
        truth = to_slices(self._truth[..., volume], self._axis)[self._z]
        made = (sincs[0], self._clean[volume], shown - ringing, done - ringing)
        return [float(np.sqrt(np.mean((m - truth)[free] ** 2)) / self._scale) for m in made]

    def _free(self, cut) -> np.ndarray:
        free = self._mask[self._z].copy()
        for axis, place in enumerate(cut):
            if isinstance(place, int):
                low, high = (self._factor * (place + step) for step in (-NEAR, NEAR + 1))
                np.moveaxis(free, axis, 0)[low:high] = False
        return free

    def _sinc(self, volume: np.ndarray) -> np.ndarray:
        coarse = np.ascontiguousarray(to_slices(volume, self._axis)[self._z])
        return sinc_upsample(torch.from_numpy(coarse), self._factor).numpy()

    def _resolve(self, series: np.ndarray, volume: int) -> np.ndarray:
        path, out = self._folder / "planted.nii", self._folder / "made.nii"
        nib.Nifti1Image(series, self._affine).to_filename(path)
        lr = self._degraded.lr
        run = DwiRun(evolve(lr.files, dwi=path), lr.gradients, series.shape)
        super_resolve(
            run, self._card, out, device="cpu", ensemble=1, volumes=[volume],
            slice_axis=self._axis, detect_band=False, progress=lambda: None,
        )  # fmt: skip
        made = nib.load(out).get_fdata(dtype=np.float32)[..., 0]
        return to_slices(made, self._axis)[self._z]


if __name__ == "__main__":
    main()
