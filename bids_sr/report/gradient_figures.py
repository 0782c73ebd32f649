"""Fibre directions with a gradient table that does not fit the image, and with a corrected one.

Colours alone do not show a wrong sign, so V1 is drawn as a line in every voxel.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from bids_sr.bids.names import OutputNames
from bids_sr.diffusion.axis_permutations import AxisPermutation
from bids_sr.diffusion.frames import voxel_rotation
from bids_sr.diffusion.gradient_check import CheckedRun
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.report.contrast_figures import letters
from bids_sr.report.drawing import Layout, Panel, draw
from bids_sr.report.index import GRADIENT_TABLE, IMAGE, Picture
from bids_sr.report.orientation import SliceView, slice_view
from bids_sr.report.raster import Rgb, color
from bids_sr.report.sticks import Floats, in_picture, with_sticks

_SIDE_MM = 60.0
"""Side of the region shown."""
_PANEL = 456
"""Its side in the picture, pixels."""
_FA_LEAST = 0.2
"""FA below which no line is drawn."""
_DIM = 0.55
"""Brightness of the colours behind the lines."""


@frozen(eq=False)
class _Field:
    """The fibres of the input with one table."""

    v1: Floats
    """(x, y, z, 3), in world coordinates."""
    fa: Floats
    """(x, y, z)."""
    affine: NDArray[np.float64]
    """Voxel indices to world mm."""


def gradient_pictures(names: OutputNames, checked: CheckedRun) -> list[Picture]:
    """Draw the fibres of the input with both tables, if the supplied one does not fit.

    Parameters
    ----------
    names : OutputNames
        Paths of the input's maps and of the picture.
    checked : CheckedRun
        The table that the maps were made with, and its fault.

    Returns
    -------
    list of Picture
        None where the table is as expected or could not be judged.
    """
    fault, path = checked.check.exchange, names.report_file("gradients", "png")
    if fault is None:
        path.unlink(missing_ok=True)  # from an earlier call, before the table was fixed
        return []
    fa = load_volume(names.input_tensor("fa"))[0]
    with DwiReader(names.input_tensor("v1")) as reader:
        v1, affine = np.stack([reader.volume(i) for i in range(3)], axis=-1), reader.affine
    turned = v1 @ world_turn(fault, affine).T
    given, corrected = (v1 @ world_turn(fault, affine), v1) if checked.fixed else (v1, turned)
    centre = _centre(given, corrected, fa, np.linalg.norm(affine[:3, :3], axis=0))
    rows = [
        _row(_Field(v1_of, fa, affine), centre, name)
        for v1_of, name in ((given, "as supplied"), (corrected, "corrected"))
    ]
    width, height = draw(path, rows, Layout((_PANEL, _PANEL)))
    used = "the corrected table" if checked.fixed else "the table as supplied"
    return [
        Picture(
            kind=IMAGE,
            section=GRADIENT_TABLE,
            title="Fibres with both gradient tables",
            alt="V1 of the input as lines on colour FA, in three planes: above with the gradient "
            "table as supplied, below with the corrected one",
            caption=f"Colour FA of the input, its main directions as lines. Above: the table as "
            f"supplied ({fault.words}). Below: corrected. With the right table, lines follow the "
            f"bundles that the colours show. Everything in this report was made with {used}.",
            width=width,
            height=height,
            image=path.name,
        )
    ]


def world_turn(fault: AxisPermutation, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transform that undoing a fault applies to world directions.

    Parameters
    ----------
    fault : AxisPermutation
        Of the gradient table, in FSL's frame.
    affine : numpy.ndarray
        (4, 4), of the image.

    Returns
    -------
    numpy.ndarray
        (3, 3), orthogonal.
    """
    rotation, signs = voxel_rotation(affine)
    return np.asarray(rotation @ (signs[:, None] * fault.matrix * signs) @ rotation.T)


def _centre(
    given: Floats,
    corrected: Floats,
    fa: Floats,
    zooms: NDArray[np.float64],
) -> tuple[int, ...]:
    """Return the voxel around which strong fibres differ most."""
    apart = 1 - np.abs((given * corrected).sum(axis=-1))
    sides = np.maximum(1, np.round(_SIDE_MM / 2 / zooms)).astype(int)
    near = uniform_filter(fa**2 * apart, tuple(sides), mode="constant")
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(near)), near.shape))


def _row(field: _Field, centre: tuple[int, ...], name: str) -> list[Panel]:
    panels = []
    for axis in (2, 1, 0):
        view = slice_view(field.affine, axis)
        title = f"{name}, slice {'ijk'[axis]} = {centre[axis]}"
        panels.append(Panel(_panel(field, centre, axis, view), title, letters(view)))
    return panels


def _panel(field: _Field, centre: tuple[int, ...], axis: int, view: SliceView) -> Rgb:
    zooms = np.linalg.norm(field.affine[:3, :3], axis=0)
    in_plane = [a for a in range(3) if a != axis]
    spans = [_span(centre[a], field.fa.shape[a], zooms[a]) for a in in_plane]
    cut: list[slice | int] = [centre[axis]] * 3
    for a, span in zip(in_plane, spans, strict=True):
        cut[a] = span
    v1, fa = field.v1[tuple(cut)], field.fa[tuple(cut)]
    shades = view.picture(color(_DIM * np.abs(v1) * np.clip(fa, 0, 1)[..., None] * 1.5))
    # along the voxel axes of the slice, then as the view turns it
    lines = v1 @ voxel_rotation(field.affine)[0][:, in_plane]
    right, down = in_picture(np.where(fa[..., None] > _FA_LEAST, lines, 0), view)
    return _centred(shades, right, down, view.spacing)


def _span(middle: int, size: int, side: float) -> slice:
    count = min(size, max(2, round(_SIDE_MM / side)))
    start = min(max(0, middle - count // 2), size - count)
    return slice(start, start + count)


def _centred(shades: Rgb, right: Floats, down: Floats, spacing: tuple[float, float]) -> Rgb:
    """Draw the lines on a picture in the middle of a square panel."""
    high, wide = (n * side for n, side in zip(shades.shape[:2], spacing, strict=True))
    scale = _PANEL / max(high, wide)  # pixels per mm
    size = max(1, round(high * scale)), max(1, round(wide * scale))
    panel = np.zeros((_PANEL, _PANEL, 3), np.uint8)
    top, left = (_PANEL - size[0]) // 2, (_PANEL - size[1]) // 2
    lined = with_sticks(shades, right, down, spacing, size)
    panel[top : top + size[0], left : left + size[1]] = lined
    return panel
