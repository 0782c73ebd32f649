"""The first pictures of a run: a slice as acquired, interpolated and super-resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from attrs import evolve, frozen
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from bids_sr.bids.names import OutputNames
from bids_sr.diffusion.frames import voxel_rotation
from bids_sr.diffusion.tensor import fit_signals
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.images.grid import to_slices
from bids_sr.images.kspace import sinc_upsample
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.report.contrast_figures import (
    ContrastSlices,
    detail_box,
    directions_of,
    letters,
    window,
)
from bids_sr.report.drawing import Key, Layout, Panel, draw, gray_key
from bids_sr.report.index import IMAGE, OVERVIEW, Picture
from bids_sr.report.raster import Rgb, color, enlarge, gray, with_frame, with_outline
from bids_sr.report.sampling import Box
from bids_sr.report.sticks import in_picture, with_sticks
from bids_sr.superres.engine import SuperResolvedDwi

Slice = NDArray[np.float32]
"""(a, b) or (a, b, channels)."""
Maps = Mapping[str, Slice]
Shade = Callable[[Slice], Rgb]

PANEL = 420
"""Target side of a panel, pixels."""
MOST = 4
"""Contrasts shown: b = 0 and the first shells."""
_TEXT = 1.15
"""Size of letters: the picture is shown at little more than half its size."""
_FIBRES_MM = 34.0
"""Side of the region in which fibres are drawn as lines."""
_FA_LEAST = 0.2
"""FA below which no line is drawn."""
_DIM = 0.6
"""Brightness of FA behind the lines."""


@frozen(eq=False)
class _Frame:
    """Geometry of the panels of the middle slice."""

    shown: ContrastSlices
    """The run's first contrast: geometry and masks."""
    acquired_brain: NDArray[np.bool_]
    """(a, b)."""
    affine: NDArray[np.float64]
    """Of the acquired image."""
    slice_axis: int
    title: str
    """``slice k = 41``."""
    widths: tuple[str, str]
    """In-plane voxel sizes of input and output."""
    detail: Box
    """The magnified region, acquired voxels."""

    def with_full_detail(self) -> _Frame:
        """Return the frame with its region grown until it fills its panel."""
        box, (rows, columns) = self.detail, self.size(self.detail, self.side)
        times = max(rows, columns) / max(end - start for start, end in (box.a, box.b))
        fitting = int(self.side / times)
        spans = []
        for (start, end), n in zip((box.a, box.b), self.acquired_brain.shape, strict=True):
            side = min(n, max(end - start, fitting))
            first = min(max(0, (start + end - side) // 2), n - side)
            spans.append((first, first + side))
        return evolve(self, detail=Box(spans[0], spans[1]))

    @property
    def brain(self) -> NDArray[np.bool_]:
        """(f a, f b)."""
        middle: NDArray[np.bool_] = self.shown.brain[self.shown.middle]
        return middle

    @property
    def side(self) -> int:
        """Side of a panel, pixels."""
        return max(self.size(self.shown.sample.box, PANEL, up=True))

    def size(self, box: Box, most: int, *, up: bool = False) -> tuple[int, int]:
        """Return rows and columns of a region in its panel: whole pixels for square voxels."""
        f, view = self.shown.sample.factor, self.shown.view
        a, b = ((end - start) * f for start, end in (box.a, box.b))
        rows, columns = (b, a) if view.transpose else (a, b)
        high, wide = rows * view.spacing[0], columns * view.spacing[1]
        if abs(view.spacing[0] / view.spacing[1] - 1) < 0.01:
            times = most / max(rows, columns)
            whole = max(1, round(times) if up else int(times))
            return rows * whole, columns * whole
        scale = most / max(high, wide)
        return max(1, round(high * scale)), max(1, round(wide * scale))

    def cut(self, slice_: NDArray[np.generic], box: Box, factor: int) -> NDArray[np.generic]:
        """Return a region of a slice in the picture's orientation."""
        part = box.cut(slice_[None], factor)[0]  # type: ignore[arg-type]
        turned: NDArray[np.generic] = self.shown.view.picture(part)
        return turned


def side_by_side_pictures(
    sr: SuperResolvedDwi,
    names: OutputNames,
    contrasts: Sequence[ContrastSlices],
    *,
    input_brain: NDArray[np.bool_],
    has_tensor: bool,
) -> list[Picture]:
    """Draw the middle slice of the sample: each contrast, then FA, colour FA and V1.

    There are no maps of the interpolated series, so the tensor is fitted to the interpolated
    slice here.

    Parameters
    ----------
    sr : SuperResolvedDwi
        The series, before and after.
    names : OutputNames
        Paths of maps and pictures.
    contrasts : sequence of ContrastSlices
        b = 0 and the shells; at most `MOST` of them are shown.
    input_brain : numpy.ndarray
        (x, y, z), bool, mask on the acquired grid.
    has_tensor : bool
        Whether there are tensor maps to show.

    Returns
    -------
    list of Picture
        Of the section `OVERVIEW`; empty if there is no contrast.
    """
    if not contrasts:
        return []
    frame = _frame(sr, contrasts[0], input_brain)
    pictures = [_contrast(frame, shown, names) for shown in contrasts[:MOST]]
    wanted = [names.input_tensor(p) for p in ("fa", "colorfa", "v1")]
    wanted += [names.tensor(p) for p in ("fa", "colorfa", "v1")]
    if has_tensor and all(path.is_file() for path in wanted):
        pictures += _tensor(frame, sr, names)
    return pictures


def _frame(sr: SuperResolvedDwi, shown: ContrastSlices, input_brain: NDArray[np.bool_]) -> _Frame:
    axis, middle = sr.grid.slice_axis, shown.middle
    number = shown.sample.slices[middle]
    sizes = (
        np.linalg.norm(a[:3, :3], axis=0) for a in (sr.grid.affine, sr.grid.high_resolution[1])
    )
    widths = [
        " \N{MULTIPLICATION SIGN} ".join(f"{mm:.2f}" for i, mm in enumerate(size) if i != axis)
        for size in sizes
    ]
    return _Frame(
        shown,
        to_slices(input_brain, axis)[number],
        sr.grid.affine,
        axis,
        f"slice {shown.axis} = {number}",
        (widths[0], widths[1]),
        detail_box(shown),
    ).with_full_detail()


def _contrast(frame: _Frame, shown: ContrastSlices, names: OutputNames) -> Picture:
    middle, top = shown.middle, window(shown)
    b0 = shown.contrast.title == "b = 0"
    three = (shown.acquired[middle], shown.interpolated[middle], shown.output[middle])
    added, kept = shown.added_and_kept()
    return _picture(
        frame,
        names.report_file(f"{shown.contrast.name}sidebyside", "png"),
        _rows(frame, three, lambda slice_: gray(slice_, top), outlined=True),
        gray_key(f"{top:.0f}" if top >= 100 else f"{top:.3g}"),
        tab="b0" if b0 else f"DWI, {shown.contrast.title.removesuffix(' s/mm²')}",
        what=f"volume {shown.contrast.volume} ({shown.contrast.title})",
        caption=f"Orange: the brain mask. The network added detail of {added:.2g} % of the grey "
        "scale to what interpolation gives (root mean square in the brain of three slices). "
        f"Reduced to the acquired resolution, its output differs from the scan by {kept:.2g} %.",
    )


def _tensor(frame: _Frame, sr: SuperResolvedDwi, names: OutputNames) -> list[Picture]:
    number = frame.shown.sample.slices[frame.shown.middle]
    three = (
        _read(names.input_tensor, frame.slice_axis, number),
        _fitted(frame, sr, number),
        _read(names.tensor, frame.slice_axis, number),
    )
    fa, colours = ([maps[name] for maps in three] for name in ("fa", "colorfa"))
    disc = directions_of(frame.shown.view)
    whole = "Fitted to each series, voxel by voxel."
    lines = "The part of the slice with the highest FA; a line along V1 in each voxel of FA above"
    return [
        _picture(
            frame, names.report_file("fasidebyside", "png"),
            _rows(frame, fa, lambda slice_: gray(slice_, 1.0)), gray_key("1"),
            tab="FA", what="fractional anisotropy", caption=whole,
        ),
        _picture(
            frame, names.report_file("colorfasidebyside", "png"),
            _rows(frame, colours, color), disc,
            tab="Colour FA", what="colour FA", caption=f"{whole} Bright where FA is high.",
        ),
        _picture(
            frame, names.report_file("v1sidebyside", "png"), _fibres(frame, three), disc,
            tab="V1", what="main direction (V1)",
            caption=f"{lines} {_FA_LEAST:g}. Lines should follow the bundles of the colours above.",
        ),
    ]  # fmt: skip


def _read(path_of: Callable[[str], Path], axis: int, number: int) -> dict[str, Slice]:
    maps = {"fa": to_slices(load_volume(path_of("fa"))[0], axis)[number]}
    for name in ("colorfa", "v1"):
        with DwiReader(path_of(name)) as reader:
            channels = [_slice(reader, i, axis, number) for i in range(3)]
        maps[name] = np.stack(channels, axis=-1)
    return maps


def _slice(reader: DwiReader, volume: int, axis: int, number: int) -> Slice:
    """Return one slice of a volume, whose memory is not kept."""
    slice_: Slice = to_slices(reader.volume(volume), axis)[number].copy()
    return slice_


def _fitted(frame: _Frame, sr: SuperResolvedDwi, number: int) -> dict[str, Slice]:
    """Fit the tensor to the interpolated slice."""
    volumes = dti_volumes(sr.run.gradients).indices
    with DwiReader(sr.run.files.dwi) as reader:
        slices = [_slice(reader, v, frame.slice_axis, number) for v in volumes]
    fine = sinc_upsample(torch.from_numpy(np.stack(slices)), frame.shown.sample.factor).numpy()
    if not sr.signed:
        fine = fine.clip(min=0)  # as the output is
    inside = frame.brain
    found = fit_signals(
        np.ascontiguousarray(fine[:, inside].T),
        sr.run.gradients.subset(volumes),
        sr.grid.high_resolution[1],
        signed=sr.signed,
    )
    maps = {}
    for name, values in found.items():
        maps[name] = np.zeros((*inside.shape, *values.shape[1:]), np.float32)
        maps[name][inside] = values
    return maps


def _picture(
    frame: _Frame,
    path: Path,
    rows: list[list[Panel]],
    key: Key,
    *,
    tab: str,
    what: str,
    caption: str,
) -> Picture:
    width, height = draw(path, rows, Layout((frame.side, frame.side), key, _TEXT))
    return Picture(
        kind=IMAGE,
        section=OVERVIEW,
        title=f"{tab} side by side",
        alt=f"{what[:1].upper()}{what[1:]}, {frame.title}: acquired, interpolated and "
        "super-resolved; below, a part of it magnified",
        caption=f"{frame.title[:1].upper()}{frame.title[1:]}, {what}. {caption}",
        width=width,
        height=height,
        image=path.name,
        tab=tab,
    )


def _columns(frame: _Frame) -> Iterator[tuple[str, int, NDArray[np.bool_] | None]]:
    """Yield the title, the factor and the mask to outline of each column."""
    f = frame.shown.sample.factor
    yield f"acquired, {frame.widths[0]} mm", 1, frame.acquired_brain
    yield "interpolated (sinc)", f, None
    yield f"super-resolved, {frame.widths[1]} mm", f, frame.brain


def _rows(
    frame: _Frame, three: Sequence[Slice], shade: Shade, *, outlined: bool = False
) -> list[list[Panel]]:
    """Return the whole slices, with a frame around the detail, and the detail."""
    box, side = frame.shown.sample.box, frame.side
    whole, part = frame.size(box, PANEL, up=True), frame.size(frame.detail, side)
    upper: list[Panel] = []
    lower: list[Panel] = []
    for slice_, (title, factor, mask) in zip(three, _columns(frame), strict=True):
        picture = enlarge(shade(frame.cut(slice_, box, factor)), *whole)  # type: ignore[arg-type]
        if outlined and mask is not None:
            fine = frame.cut(mask, box, factor).astype(np.uint8)[..., None]
            picture = with_outline(picture, enlarge(fine, *whole)[..., 0] > 0)
        picture = with_frame(picture, *_spot(frame, whole))
        upper.append(Panel(_centred(picture, side), title, letters(frame.shown.view)))
        magnified = enlarge(shade(frame.cut(slice_, frame.detail, factor)), *part)  # type: ignore[arg-type]
        lower.append(Panel(_centred(magnified, side), "" if lower else "the part in the frame"))
    return [upper, lower]


def _spot(frame: _Frame, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return rows and columns of the detail in a picture of the whole slice of this size."""
    inside = np.zeros(frame.acquired_brain.shape, bool)
    inside[slice(*frame.detail.a), slice(*frame.detail.b)] = True
    seen = frame.cut(inside, frame.shown.sample.box, 1)
    spans = []
    for axis, pixels in enumerate(size):
        found = np.flatnonzero(seen.any(axis=1 - axis))
        first, end = (int(found[0]), int(found[-1]) + 1) if found.size else (0, seen.shape[axis])
        spans.append((first * pixels // seen.shape[axis], end * pixels // seen.shape[axis]))
    return spans[0], spans[1]


def _fibres(frame: _Frame, three: Sequence[Maps]) -> list[list[Panel]]:
    """Return colour FA of the region with the highest FA, and below it FA with lines along V1."""
    box, side = _strongest(frame, three[0]["fa"]), frame.side
    size = frame.size(box, side)
    rotation = voxel_rotation(frame.affine)[0]
    in_plane = [axis for axis in range(3) if axis != frame.slice_axis]
    upper: list[Panel] = []
    lower: list[Panel] = []
    for maps, (title, factor, _) in zip(three, _columns(frame), strict=True):
        colours = color(frame.cut(maps["colorfa"], box, factor))  # type: ignore[arg-type]
        upper.append(Panel(_centred(enlarge(colours, *size), side), title))
        fa = box.cut(maps["fa"][None], factor)[0]
        v1 = box.cut(maps["v1"][None], factor)[0]
        lines = np.where(fa[..., None] > _FA_LEAST, v1 @ rotation[:, in_plane], 0)
        shades = gray(_DIM * frame.shown.view.picture(fa), 1.0)
        spacing = tuple(mm * frame.shown.sample.factor / factor for mm in frame.shown.view.spacing)
        drawn = with_sticks(
            shades, *in_picture(lines, frame.shown.view), (spacing[0], spacing[1]), size
        )
        lower.append(Panel(_centred(drawn, side), "" if lower else "V1 on FA"))
    return [upper, lower]


def _strongest(frame: _Frame, fa: Slice) -> Box:
    """Return the region of the acquired slice with the highest FA, well inside the brain."""
    view, f = frame.shown.view, frame.shown.sample.factor
    spacing = view.spacing[::-1] if view.transpose else view.spacing
    sides = [
        min(n, max(4, round(_FIBRES_MM / (mm * f))))
        for n, mm in zip(fa.shape, spacing, strict=True)
    ]
    strength = uniform_filter(np.where(frame.acquired_brain, fa, 0.0) ** 2, sides, mode="constant")
    centre = np.unravel_index(int(np.argmax(strength)), strength.shape)
    spans = []
    for middle, side, n in zip(centre, sides, fa.shape, strict=True):
        start = min(max(0, int(middle) - side // 2), n - side)
        spans.append((start, start + side))
    return Box(spans[0], spans[1])


def _centred(picture: Rgb, side: int) -> Rgb:
    """Centre a picture in a black square; anything beyond its sides is cropped."""
    panel = np.zeros((side, side, 3), np.uint8)
    rows, columns = (min(side, n) for n in picture.shape[:2])
    top, left = (side - rows) // 2, (side - columns) // 2
    panel[top : top + rows, left : left + columns] = picture[:rows, :columns]
    return panel
