"""The picture of the README: a scan at low resolution, interpolated, super-resolved, and itself.

    make readme-figure DATA=DATASET

The scan is reduced in plane by cropping k-space, as `bids-sr-evaluate` does, and brought back by
sinc interpolation and by the network with its default settings. Slice and magnified region are
chosen by the report's rules, from the scan alone; all columns have the same grey scale.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image

from bids_sr.bids.atomic import atomic_path
from bids_sr.diffusion.tensor import fit_signals
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.errors import BidsSrError
from bids_sr.evaluation.degraded_scan import (
    DegradedScan,
    choose_run,
    interpolated,
    make_degraded_scan,
)
from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import DwiReader
from bids_sr.networks.registry import load_card
from bids_sr.report.orientation import SliceView, slice_view
from bids_sr.report.plotting import Figure, FigureCanvasAgg
from bids_sr.report.raster import Rgb, color, enlarge, gray, window_top, with_frame
from bids_sr.report.sampling import Box, Sample, choose_detail, choose_sample
from bids_sr.superres.engine import super_resolve

_ZOOM_MM = (104.0, 64.0)
"""Width and height of the magnified region."""
_PANEL = 420
"""Width of a panel, pixels; the README shows the picture at half its size."""
_GAP, _HEAD, _SIDE = 12, 52, 60
"""Space between panels, above them for titles, and on their left for names; pixels."""
_TEXT = 30
"""Height of letters, pixels."""

Slice = NDArray[np.float32]
Text = tuple[float, float, str, float]
"""Position from the left and the top, words, degrees of rotation."""


@frozen(eq=False)
class Shown:
    """What all panels share."""

    degraded: DegradedScan
    view: SliceView
    sample: Sample
    detail: Box
    """The magnified region, low-resolution voxels."""
    top: float
    """Signal at b = 0 shown as white."""

    @property
    def number(self) -> int:
        """Number of the slice."""
        return self.sample.slices[len(self.sample.slices) // 2]

    def panel(self, picture: Rgb, box: Box) -> Rgb:
        """Return a region of a slice (a, b, 3), on either grid, enlarged to a panel.

        A voxel of either grid is a whole number of pixels.
        """
        coarse = self.degraded.grid.shape[self.degraded.grid.in_plane[0]]
        factor = self.sample.factor
        part = self.view.picture(box.cut(picture[None], picture.shape[0] // coarse)[0])
        a, b = (end - start for start, end in (box.a, box.b))
        rows, columns = (b, a) if self.view.transpose else (a, b)
        pixels = _PANEL // (columns * factor) * factor
        return enlarge(part, rows * pixels, columns * pixels)

    def whole(self, picture: Rgb) -> Rgb:
        """Return the whole brain with a frame around the magnified region."""
        grid = self.degraded.grid
        inside = np.zeros((*(grid.shape[axis] for axis in grid.in_plane), 3), np.uint8)
        inside[slice(*self.detail.a), slice(*self.detail.b)] = 1
        marked = self.panel(inside, self.sample.box)[..., 0] > 0
        spans = [np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0)]
        rows, columns = ((int(found[0]), int(found[-1]) + 1) for found in spans)
        return with_frame(self.panel(picture, self.sample.box), rows, columns)


def main() -> None:
    """Make the series, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--participant-label", required=True)
    parser.add_argument("--run")
    parser.add_argument("--scale", type=int, choices=(2, 3), default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="PNG file")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run = choose_run(given.dataset, given.participant_label, given.run)
    with tempfile.TemporaryDirectory() as name:
        degraded = make_degraded_scan(run, given.scale, 1, Path(name), rim=0)
        draw(degraded, make_series(degraded, Path(name), given.threads), given.out)


def make_series(degraded: DegradedScan, folder: Path, threads: int) -> dict[str, Path]:
    """Bring a degraded scan back; return all series by the title of their column."""
    grid = degraded.grid
    sinc, made = folder / "sinc.nii.gz", folder / "sr.nii.gz"
    interpolated(degraded, "sinc", sinc)
    card = load_card(None, grid.factor)
    super_resolve(degraded.lr, card, made, threads=threads, slice_axis=grid.slice_axis)
    coarse, fine = (
        f"{np.linalg.norm(affine[:3, grid.in_plane[0]]):.0f} mm"
        for affine in (grid.affine, grid.high_resolution[1])
    )
    return {
        f"input, {coarse}": degraded.lr.files.dwi,
        "interpolated (sinc)": sinc,
        "super-resolved": made,
        f"truth: the scan, {fine}": degraded.truth,
    }


def draw(degraded: DegradedScan, series: Mapping[str, Path], out: Path) -> None:
    """Draw the slice at b = 0, and a part of it at b = 0, of FA and of colour FA."""
    *_, truth = series.values()
    shown = choose(degraded, truth)
    logging.info("slice %d is shown", shown.number)
    rows: list[tuple[str, list[Rgb]]] = [("b0", []), ("b0", []), ("FA", []), ("colour FA", [])]
    for path in series.values():
        b0, fa, colours = slice_maps(shown, path)
        grey = gray(b0, shown.top)
        parts = [shown.panel(p, shown.detail) for p in (grey, gray(fa, 1.0), color(colours))]
        for (_, row), panel in zip(rows, (shown.whole(grey), *parts), strict=True):
            row.append(panel)
    picture = _compose(rows, list(series), (shown.view.left, shown.view.right))
    with atomic_path(out) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", optimize=True)


def choose(degraded: DegradedScan, truth: Path) -> Shown:
    """Choose slice, region and grey scale from the scan, by the rules of the report."""
    axis, f = degraded.grid.slice_axis, degraded.grid.factor
    brain = to_slices(degraded.mask, axis)
    sample = choose_sample(brain, f)
    number = sample.slices[len(sample.slices) // 2]
    b0 = _first_b0(degraded)
    with DwiReader(truth) as fine, DwiReader(degraded.lr.files.dwi) as coarse:
        top = window_top(to_slices(fine.volume(b0), axis)[number], brain[number])
        acquired = to_slices(coarse.volume(b0), axis)[number]
    view = slice_view(degraded.grid.affine, axis)
    high, wide = view.spacing
    spacing, sides = ((wide, high), _ZOOM_MM) if view.transpose else ((high, wide), _ZOOM_MM[::-1])
    detail = choose_detail(acquired, brain[number, ::f, ::f], spacing, sides)
    return Shown(degraded, view, sample, detail, top)


def slice_maps(shown: Shown, path: Path) -> tuple[Slice, Slice, Slice]:
    """Return b0 (a, b), FA (a, b) and colour FA (a, b, 3) of the slice of a series.

    The tensor is fitted to each series on its own grid.
    """
    degraded, number = shown.degraded, shown.number
    axis, gradients = degraded.grid.slice_axis, degraded.lr.gradients
    with DwiReader(path) as reader:
        volumes = range(reader.shape[3])
        series = np.stack([to_slices(reader.volume(v), axis)[number] for v in volumes])
        affine = reader.affine
    brain = to_slices(degraded.mask, axis)[number]
    step = brain.shape[0] // series.shape[1]
    brain = brain[::step, ::step]
    fitted = list(dti_volumes(gradients).indices)
    signals = np.ascontiguousarray(series[fitted][:, brain].T)
    found = fit_signals(signals, gradients.subset(fitted), affine)
    maps = []
    for name in ("fa", "colorfa"):
        maps.append(np.zeros((*brain.shape, *found[name].shape[1:]), np.float32))
        maps[-1][brain] = found[name]
    return series[_first_b0(degraded)], maps[0], maps[1]


def _first_b0(degraded: DegradedScan) -> int:
    return int(np.flatnonzero(degraded.lr.gradients.is_b0)[0])


def _compose(rows: list[tuple[str, list[Rgb]]], titles: list[str], sides: tuple[str, str]) -> Rgb:
    heights = [row[0].shape[0] for _, row in rows]
    lefts = [_SIDE + column * (_PANEL + _GAP) for column in range(len(titles))]
    canvas = np.zeros((_HEAD + sum(heights) + _GAP * len(rows), lefts[-1] + _PANEL + _GAP, 3), "u1")
    texts: list[Text] = [
        (left + _PANEL / 2, _HEAD / 2, title, 0) for left, title in zip(lefts, titles, strict=True)
    ]
    top = _HEAD
    for (name, row), high in zip(rows, heights, strict=True):
        for picture, left in zip(row, lefts, strict=True):
            margin = (_PANEL - picture.shape[1]) // 2
            canvas[top : top + high, left + margin : left + margin + picture.shape[1]] = picture
        texts.append((_SIDE / 2, top + high / 2, name, 90))
        top += high + _GAP
    for letter, x in zip(sides, (_TEXT, _PANEL - _TEXT), strict=True):
        texts.append((lefts[0] + x, _HEAD + heights[0] / 2, letter, 0))
    return _with_texts(canvas, texts)


def _with_texts(canvas: Rgb, texts: list[Text]) -> Rgb:
    high, wide = canvas.shape[:2]
    figure = Figure(figsize=(wide / 100, high / 100), dpi=100)
    figure.figimage(canvas)
    for x, y, words, turned in texts:
        figure.text(
            x / wide, 1 - y / high, words, color="white", fontsize=_TEXT * 0.72,
            ha="center", va="center", rotation=turned,
        )  # fmt: skip
    agg = FigureCanvasAgg(figure)
    agg.draw()
    return np.asarray(agg.buffer_rgba())[..., :3].copy()


if __name__ == "__main__":
    try:
        main()
    except BidsSrError as error:
        raise SystemExit(str(error)) from error
