"""Pictures of one volume for the linked viewer: interpolated and super-resolved."""

from __future__ import annotations

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.names import OutputNames
from bids_sr.images.kspace import kspace_crop, sinc_upsample
from bids_sr.report.drawing import (
    Key,
    Layout,
    Panel,
    direction_key,
    draw,
    gray_key,
    panel_corners,
    panel_size,
)
from bids_sr.report.index import COMPARE, DETAIL, Picture, Place
from bids_sr.report.orientation import SliceView
from bids_sr.report.raster import gray, window_top
from bids_sr.report.sampling import Box, Contrast, Sample, choose_detail

Slices = NDArray[np.float32]

SINC, SR = "interpolated (sinc)", "super-resolved"
PANEL_WIDTH = 400


@frozen(eq=False)
class ContrastSlices:
    """The chosen slices of one volume, whole in plane."""

    contrast: Contrast
    """Which volume."""
    acquired: Slices
    """(n, a, b)."""
    output: Slices
    """(n, f a, f b), super-resolved."""
    brain: NDArray[np.bool_]
    """(n, f a, f b), mask on the output grid."""
    sample: Sample
    """Slice numbers, crop, factor."""
    view: SliceView
    """Orientation of the output's slices in the picture."""
    plane: str
    """``axial``, ``coronal`` or ``sagittal``."""
    axis: str
    """``i``, ``j`` or ``k``."""

    @property
    def middle(self) -> int:
        """Which of the slices is shown on its own."""
        return len(self.sample.slices) // 2

    @property
    def interpolated(self) -> Slices:
        """(n, f a, f b), the zero-filled acquired slices."""
        return sinc_upsample(_tensor(self.acquired), self.sample.factor).numpy()

    def added_and_kept(self) -> tuple[float, float]:
        """Return what the network added, and what it changed at the acquired resolution.

        Returns
        -------
        added, changed : float
            Root mean square of output less interpolation, in the brain of the slices, and of
            `residual`, in percent of the grey scale.
        """
        sinc = self.interpolated
        top = window_top(sinc, self.brain)
        brain = self.brain if self.brain.any() else np.ones_like(self.brain)
        return 100 / top * _rms((self.output - sinc)[brain]), 100 / top * _rms(self.residual)

    @property
    def residual(self) -> Slices:
        """(n, a, b), the output cut back to the acquired band, less the acquired slices."""
        return kspace_crop(_tensor(self.output), self.sample.factor).numpy() - self.acquired


def window(shown: ContrastSlices) -> float:
    """Return the value shown as white, that of the interpolated slices."""
    return window_top(shown.interpolated, shown.brain)


def contrast_picture(shown: ContrastSlices, names: OutputNames) -> Picture:
    """Draw the slices of one volume, interpolated and super-resolved.

    Parameters
    ----------
    shown : ContrastSlices
    names : OutputNames
        Where the files go.

    Returns
    -------
    Picture
        Of the linked viewer.
    """
    sinc, top = shown.interpolated, window(shown)
    name, sample = shown.contrast.name, shown.sample
    titles = slice_titles(sample, shown.axis)
    files, size = [], (0, 0)
    for desc, slices in ((f"{name}sinc", sinc), (f"{name}sr", shown.output)):
        pictures = [shown.view.picture(s) for s in sample.box.cut(slices, sample.factor)]
        panel = panel_size(pictures[0].shape, shown.view.spacing, PANEL_WIDTH)
        row = [
            Panel(gray(picture, top), title, letters(shown.view))
            for picture, title in zip(pictures, titles, strict=True)
        ]
        path = names.report_file(desc, "png")
        size = draw(path, [row], Layout(panel, gray_key(_round(top))))
        files.append(path.name)
    return Picture(
        kind=COMPARE,
        section=shown.contrast.title,
        title="Interpolated and super-resolved",
        alt=f"{len(titles)} {shown.plane} slices of volume {shown.contrast.volume}, "
        f"{shown.contrast.title}",
        caption=f"{_which(shown.contrast)} Same slices, same field of view and same grey scale "
        f"(0 to {_round(top)}, in units of the input) in both.",
        width=size[0],
        height=size[1],
        before=files[0],
        after=files[1],
        before_label=SINC,
        after_label=SR,
        tab=shown.contrast.title,
        places=(
            *slice_places(sample, shown.axis, Layout(panel)),
            *_detail_place(shown, Layout(panel)),
        ),
    )


def slice_titles(sample: Sample, axis: str) -> list[str]:
    """Return ``slice k = 41`` and so on."""
    return [f"slice {axis} = {number}" for number in sample.slices]


def map_size(sample: Sample, view: SliceView) -> tuple[int, int]:
    """Return the panel size of an output map's pictures, shared by those of the input."""
    a, b = ((end - start) * sample.factor for start, end in (sample.box.a, sample.box.b))
    return panel_size((b, a) if view.transpose else (a, b), view.spacing, PANEL_WIDTH)


def directions_of(view: SliceView) -> Key:
    """Return the colour key of directions in this view."""
    axes = {"L": 0, "R": 0, "A": 1, "P": 1, "I": 2, "S": 2}
    return direction_key(axes[view.right], axes[view.top])


def letters(view: SliceView) -> tuple[str, str, str, str]:
    """Return the letters at the left, right, top and bottom edge."""
    return view.left, view.right, view.top, view.bottom


def slice_places(sample: Sample, axis: str, layout: Layout) -> list[Place]:
    """Return where each slice lies in a picture of one row."""
    titles = slice_titles(sample, axis)
    high, wide = layout.panel
    (corners,) = panel_corners(layout, 1, len(titles))
    return [
        Place(title, left, top, wide, high)
        for title, (top, left) in zip(titles, corners, strict=True)
    ]


def _detail_place(shown: ContrastSlices, layout: Layout) -> list[Place]:
    """Return where the magnified detail lies in the middle slice; nothing if it is cropped out."""
    sample, middle = shown.sample, shown.middle
    box = detail_box(shown)
    inside = np.zeros(shown.acquired.shape[1:], np.float32)
    inside[slice(*box.a), slice(*box.b)] = 1
    seen = shown.view.picture(sample.box.cut(inside[None])[0]) > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size:
        return []
    whole = slice_places(sample, shown.axis, layout)[middle]
    down, right = whole.height / seen.shape[0], whole.width / seen.shape[1]
    return [
        Place(
            DETAIL,
            whole.x + round(columns[0] * right),
            whole.y + round(rows[0] * down),
            round(columns.size * right),
            round(rows.size * down),
        )
    ]


def detail_box(shown: ContrastSlices) -> Box:
    """Return the part of the middle slice that is magnified, chosen without the output."""
    f, middle = shown.sample.factor, shown.middle
    brain = shown.brain[middle, ::f, ::f]
    height, width = (mm * f for mm in shown.view.spacing)
    spacing = (width, height) if shown.view.transpose else (height, width)
    return choose_detail(shown.acquired[middle], brain, spacing)


def _which(contrast: Contrast) -> str:
    if contrast.n_alike == 1:
        return f"Volume {contrast.volume}, the only one at {contrast.title}."
    return f"Volume {contrast.volume}, one of {contrast.n_alike} at {contrast.title}."


def _round(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _rms(values: Slices) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _tensor(slices: Slices) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(slices))
