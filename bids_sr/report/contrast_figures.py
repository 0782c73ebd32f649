"""Pictures of one volume: interpolated and super-resolved, detail, and what changed."""

from __future__ import annotations

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.names import OutputNames
from bids_sr.images.kspace import kspace_crop, sinc_upsample
from bids_sr.report.drawing import Layout, Panel, draw, panel_corners, panel_size
from bids_sr.report.index import COMPARE, DETAIL, IMAGE, Picture, Place
from bids_sr.report.orientation import SliceView
from bids_sr.report.raster import change, gray, nice_limit, window_top
from bids_sr.report.sampling import Box, Contrast, Sample, choose_detail

Slices = NDArray[np.float32]

SINC, SR = "interpolated (sinc)", "super-resolved"
PANEL_WIDTH = 400
DETAIL_WIDTH = 600


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
    """Slice numbers, cut-out, factor."""
    view: SliceView
    """How the output's slices are turned."""
    plane: str
    """``axial``, ``coronal`` or ``sagittal``."""
    axis: str
    """``i``, ``j`` or ``k``."""

    @property
    def interpolated(self) -> Slices:
        """(n, f a, f b), the zero-filled acquired slices."""
        return sinc_upsample(_tensor(self.acquired), self.sample.factor).numpy()

    @property
    def residual(self) -> Slices:
        """(n, a, b), the output cut back to the acquired band, less the acquired slices."""
        return kspace_crop(_tensor(self.output), self.sample.factor).numpy() - self.acquired


def contrast_pictures(shown: ContrastSlices, names: OutputNames) -> list[Picture]:
    """Draw all pictures of one volume.

    Parameters
    ----------
    shown : ContrastSlices
    names : OutputNames
        Where the files go.

    Returns
    -------
    list of Picture
    """
    sinc = shown.interpolated
    top = window_top(sinc, shown.brain)
    return [
        _comparison(shown, names, sinc, top),
        _detail(shown, names, sinc, top),
        _changes(shown, names, sinc, top),
    ]


def slice_titles(sample: Sample, axis: str) -> list[str]:
    """Return ``slice k = 41`` and so on."""
    return [f"slice {axis} = {number}" for number in sample.slices]


def map_size(sample: Sample, view: SliceView) -> tuple[int, int]:
    """Return the panel size of an output map's pictures, which the input's share."""
    a, b = ((end - start) * sample.factor for start, end in (sample.box.a, sample.box.b))
    return panel_size((b, a) if view.transpose else (a, b), view.spacing, PANEL_WIDTH)


def letters(view: SliceView) -> tuple[str, str, str, str]:
    """Return the letters at the left, right, top and bottom edge."""
    return view.left, view.right, view.top, view.bottom


def _comparison(shown: ContrastSlices, names: OutputNames, sinc: Slices, top: float) -> Picture:
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
        size = draw(path, [row], Layout(panel))
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
    """Return where the magnified detail lies in the middle slice; nothing if it is cut off."""
    sample, middle = shown.sample, len(shown.sample.slices) // 2
    box = _detail_box(shown, middle)
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


def _detail(shown: ContrastSlices, names: OutputNames, sinc: Slices, top: float) -> Picture:
    f, middle = shown.sample.factor, len(shown.sample.slices) // 2
    box = _detail_box(shown, middle)
    acquired = shown.view.picture(box.cut(shown.acquired[[middle]])[0])
    title = slice_titles(shown.sample, shown.axis)[middle]
    files, size = [], (0, 0)
    for label, tag, slices in ((SINC, "sinc", sinc), (SR, "sr", shown.output)):
        fine = shown.view.picture(box.cut(slices[[middle]], f)[0])
        panel = panel_size(fine.shape, shown.view.spacing, DETAIL_WIDTH)
        row = [
            Panel(gray(acquired, top), f"acquired voxels, {title}", letters(shown.view)),
            Panel(gray(fine, top), label, letters(shown.view)),
        ]
        path = names.report_file(f"{shown.contrast.name}zoom{tag}", "png")
        size = draw(path, [row], Layout(panel))
        files.append(path.name)
    return Picture(
        kind=COMPARE,
        section=shown.contrast.title,
        title="A detail, magnified",
        alt=f"Magnified region of an {shown.plane} slice, {shown.contrast.title}; on the left as "
        "acquired, on the right",
        caption="Left: the voxels as acquired, in both pictures. Right: the same region on the "
        "finer grid. It is where the acquired slice has most edges; the network has no say in it.",
        width=size[0],
        height=size[1],
        before=files[0],
        after=files[1],
        before_label=SINC,
        after_label=SR,
    )


def _detail_box(shown: ContrastSlices, middle: int) -> Box:
    f = shown.sample.factor
    brain = shown.brain[middle, ::f, ::f]
    height, width = (mm * f for mm in shown.view.spacing)
    spacing = (width, height) if shown.view.transpose else (height, width)
    return choose_detail(shown.acquired[middle], brain, spacing)


def _changes(shown: ContrastSlices, names: OutputNames, sinc: Slices, top: float) -> Picture:
    sample, view = shown.sample, shown.view
    added = 100 / top * (shown.output - sinc)
    kept = 100 / top * shown.residual
    brain = shown.brain if shown.brain.any() else np.ones_like(shown.brain)
    limit = nice_limit(float(np.percentile(np.abs(added[brain]), 99.5)))
    upper = [view.picture(s) for s in sample.box.cut(added, sample.factor)]
    lower = [view.picture(s) for s in sample.box.cut(kept)]
    panel = panel_size(upper[0].shape, view.spacing, PANEL_WIDTH)
    rows = [
        [
            Panel(change(picture, limit), "" if number else title, letters(view))
            for number, picture in enumerate(row)
        ]
        for title, row in (
            ("super-resolved \N{MINUS SIGN} interpolated", upper),
            ("super-resolved, cut to the acquired band, \N{MINUS SIGN} acquired", lower),
        )
    ]
    path = names.report_file(f"{shown.contrast.name}change", "png")
    width, height = draw(
        path, rows, Layout(panel, (f"+{limit:g} %", "0", f"\N{MINUS SIGN}{limit:g} %"))
    )
    return Picture(
        kind=IMAGE,
        section=shown.contrast.title,
        title="What was added, and what was kept",
        alt=f"Signed difference maps of {len(sample.slices)} {shown.plane} slices, "
        f"{shown.contrast.title}: above super-resolved minus interpolated, below the residual "
        "at the acquired resolution",
        caption="In percent of the grey scale above. Upper row: what the network put in beyond "
        f"interpolation, root mean square {_rms(added[brain]):.2g} % in the brain of these slices. "
        "Lower row: what differs from the scanner's own data at the acquired resolution, "
        f"{_rms(kept):.2g} %; black means that the measurement is kept.",
        width=width,
        height=height,
        image=path.name,
    )


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
