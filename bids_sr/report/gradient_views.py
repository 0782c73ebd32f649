"""The gradient table of a run as a picture and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from markupsafe import Markup
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable, read_gradients
from bids_sr.errors import BidsSrError
from bids_sr.report.svg import SERIES, Element, add, drawing, markup

_SIZE, _RADIUS = 360.0, 150.0


@frozen
class GradientView:
    """What the page shows of a gradient table."""

    picture: Markup
    """Directions on the half sphere."""
    shells: tuple[tuple[str, int, int], ...]
    """Name, number of volumes and number of the colour (-1: no direction)."""
    rows: tuple[tuple[str, ...], ...]
    """Volume, b and direction of each volume."""


def gradient_view(bval: Path, bvec: Path, n_volumes: int) -> GradientView | None:
    """Draw the gradient table of a series.

    Parameters
    ----------
    bval, bvec : pathlib.Path
    n_volumes : int
        Volumes of the series.

    Returns
    -------
    GradientView or None
        None if the files are not there or cannot be read.
    """
    try:
        table = read_gradients(bval, bvec, n_volumes)
    except BidsSrError:
        return None
    shells = [(f"b = {shell.bval:.0f}", shell.indices) for shell in table.shells]
    listed = [(name, len(indices), n % SERIES) for n, (name, indices) in enumerate(shells)]
    zeros = int(table.is_b0.sum())
    first = [("b = 0", zeros, -1)] if zeros else []
    rows = tuple(
        (str(v), f"{b:.0f}", *(f"{part:.4f}" for part in vector))
        for v, (b, vector) in enumerate(zip(table.bvals, table.bvecs, strict=True))
    )
    return GradientView(_sphere(table, shells), tuple(first + listed), rows)


def _sphere(table: GradientTable, shells: list[tuple[str, NDArray[np.intp]]]) -> Markup:
    told = ", ".join(f"{name}: {len(indices)} directions" for name, indices in shells)
    svg = drawing(_SIZE, _SIZE, "Directions on the half sphere", told, klass="sphere")
    centre = _SIZE / 2
    for degrees in (90, 60, 30):
        radius = _RADIUS * np.sqrt(2) * np.sin(np.deg2rad(degrees) / 2)
        add(svg, "circle", klass="ring", cx=centre, cy=centre, r=float(radius))
        label = f"{degrees}°"
        add(svg, "text", label, klass="tick", x=centre + 3, y=centre - float(radius) + 13)
    for name, (x, y) in {"i": (1.0, 0.0), "j": (0.0, 1.0)}.items():
        reach = _RADIUS + 14
        place: dict[str, Any] = {"x": centre + x * reach, "y": centre - y * reach + 4}
        add(svg, "text", name, klass="name middle", **place)
    add(svg, "text", "k", klass="name", x=centre + 5, y=centre - 5)
    add(svg, "circle", klass="pole", cx=centre, cy=centre, r=2.0)
    for number, (name, indices) in enumerate(shells):
        for volume in indices:
            _point(svg, table.bvecs[volume], number % SERIES, f"volume {volume}, {name}")
    return markup(svg)


def _point(svg: Element, vector: NDArray[np.float64], colour: int, told: str) -> None:
    """Project a direction by Lambert's equal-area projection; antipodes are folded upwards."""
    x, y, z = -vector if vector[2] < 0 else vector
    # of the disc's radius: sqrt(1 - cos t), which is 1 at the rim of the half sphere
    radius = _RADIUS / np.sqrt(1 + z)
    at: dict[str, Any] = {"cx": float(_SIZE / 2 + radius * x), "cy": float(_SIZE / 2 - radius * y)}
    add(add(svg, "circle", klass=f"dot c{colour}", r=5.0, **at), "title", told)
