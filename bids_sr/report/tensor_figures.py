"""Pictures of the tensor fit: of the input, voxel by voxel, and of the output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.names import OutputNames
from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.report.contrast_figures import (
    directions_of,
    letters,
    map_size,
    slice_places,
    slice_titles,
)
from bids_sr.report.drawing import Key, Layout, Panel, draw, gray_key
from bids_sr.report.index import COMPARE, Picture
from bids_sr.report.orientation import SliceView
from bids_sr.report.raster import Rgb, color, gray
from bids_sr.report.sampling import Sample

SECTION = "Diffusion tensor"
BEFORE, AFTER = "fit on the input", "fit on the output"

Slices = NDArray[np.float32]


@frozen
class _Map:
    param: str
    tab: str
    title: str
    caption: str
    read: Callable[[Path, int, Sequence[int]], Slices]
    """From a file, slice axis and numbers to (slices, a, b, ...)."""
    shade: Callable[[Slices], Rgb]
    key: Key | None
    """Colour key; None: directions."""


def _read_scalar(path: Path, axis: int, slices: Sequence[int]) -> Slices:
    return to_slices(load_volume(path)[0], axis)[list(slices)]


def _read_colours(path: Path, axis: int, slices: Sequence[int]) -> Slices:
    with DwiReader(path) as reader:
        channels = [to_slices(reader.volume(i), axis)[list(slices)] for i in range(3)]
    return np.stack(channels, axis=-1)


_MD_TOP = 3e-3
"""White in pictures of MD, mm2/s."""
_MAPS = (
    _Map(
        "fa",
        "FA",
        "Fractional anisotropy",
        "0 is black, 1 is white. The fit on the input is drawn with its own voxels, enlarged "
        "without interpolation.",
        _read_scalar,
        lambda picture: gray(picture, 1.0),
        gray_key("1"),
    ),
    _Map(
        "colorfa",
        "Colour FA",
        "Main direction",
        "Red: left-right, green: front-back, blue: up-down; bright where FA is high.",
        _read_colours,
        color,
        None,
    ),
    _Map(
        "md",
        "MD",
        "Mean diffusivity",
        f"0 is black, {1e3 * _MD_TOP:g} 10⁻³ mm²/s is white: free water at body temperature.",
        _read_scalar,
        lambda picture: gray(picture, _MD_TOP),
        gray_key(f"{1e3 * _MD_TOP:g}"),
    ),
)


def tensor_pictures(
    names: OutputNames, sample: Sample, view: SliceView, slice_axis: int, plane: str
) -> list[Picture]:
    """Draw FA, colour FA and MD before and after; missing maps are left out.

    Parameters
    ----------
    names : OutputNames
        Paths of maps and pictures.
    sample : Sample
        Slice numbers and crop.
    view : SliceView
        Orientation of the output's slices in the picture.
    slice_axis : int
        Voxel axis across the slices.
    plane : str
        ``axial``, ``coronal`` or ``sagittal``.

    Returns
    -------
    list of Picture
    """
    pictures = []
    for shown in _MAPS:
        maps = (names.input_tensor(shown.param), names.tensor(shown.param))
        if not all(path.is_file() for path in maps):
            continue
        files, size = [], (0, 0)
        for path, tag, factor in zip(maps, ("input", "sr"), (1, sample.factor), strict=True):
            slices = shown.read(path, slice_axis, sample.slices)
            target = names.report_file(f"{shown.param}{tag}", "png")
            row = _row(shown, sample.box.cut(slices, factor), sample, view, slice_axis)
            size = draw(
                target, [row], Layout(map_size(sample, view), shown.key or directions_of(view))
            )
            files.append(target.name)
        pictures.append(
            Picture(
                kind=COMPARE,
                section=SECTION,
                title=shown.title,
                alt=f"{shown.title} in {len(sample.slices)} {plane} slices",
                caption=shown.caption,
                width=size[0],
                height=size[1],
                before=files[0],
                after=files[1],
                before_label=BEFORE,
                after_label=AFTER,
                tab=shown.tab,
                places=slice_places(sample, "ijk"[slice_axis], Layout(map_size(sample, view))),
            )
        )
    return pictures


def _row(
    shown: _Map, slices: Slices, sample: Sample, view: SliceView, slice_axis: int
) -> list[Panel]:
    titles = slice_titles(sample, "ijk"[slice_axis])
    return [
        Panel(shown.shade(view.picture(slice_)), title, letters(view))
        for slice_, title in zip(slices, titles, strict=True)
    ]
