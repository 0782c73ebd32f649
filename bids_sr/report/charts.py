"""The charts of a run's page, drawn from its curves."""

from __future__ import annotations

from attrs import frozen
from markupsafe import Markup

from bids_sr.report.curves import Curves, band_marks
from bids_sr.report.heat import heat_map
from bids_sr.report.plots import Mark, line_chart

_FREQUENCY, _POWER = "spatial frequency (cycles/mm)", "power (log10)"
_BELOW = 1.0
"""Decades of the axis below the lowest power of the output."""
_IMAGES = {"dwi": "weighted volumes", "fa": "FA"}
_MAPS = {
    "fa": ("Fractional anisotropy", "FA"),
    "md": ("Mean diffusivity", "MD (10⁻³ mm²/s)"),
}


@frozen
class Chart:
    """A chart, or a row of small ones, with its text."""

    title: str
    """Printed above."""
    caption: str
    """How to read it."""
    drawings: tuple[tuple[str, Markup], ...]
    """Small heading (may be empty) and drawing."""
    wide: bool = False
    """Whether it takes the full width."""
    notes: tuple[str, ...] = ()
    """Single findings, one line each."""


def charts(curves: Curves) -> list[Chart]:
    """Draw the spectra and histograms that are known.

    Parameters
    ----------
    curves : Curves

    Returns
    -------
    list of Chart
        In the order of the page; empty if nothing is known.
    """
    return [
        *_spectra(curves),
        *_axis_spectra(curves),
        *_histograms(curves),
    ]


def agreement_charts(curves: Curves) -> list[Chart]:
    """Draw the residual against the input by volume and slice, if it is known."""
    if curves.dc_map is None:
        return []
    bad = [(one.volume, one.slice, one.text) for one in curves.bad_slices]
    caption = (
        "Difference between the output, reduced to the acquired resolution, and the input: root "
        "mean square of each slice as a share of its shell's signal there. A row or a cell that "
        "is brighter than its neighbours should be inspected. Point at a cell, or use the arrow "
        "keys, to read its value."
    )
    if bad:
        caption += " Outlined: slices of the input that stand out from the other volumes."
    notes = tuple(f"Volume {volume}, slice {s}: {text}" for volume, s, text in bad)
    drawing = heat_map(curves.dc_map, width=1000.0, outlined=bad)
    title = "Residual by volume and slice"
    return [Chart(title, caption, (("", drawing),), True, notes)]


def _spectra(curves: Curves) -> list[Chart]:
    if not curves.spectra:
        return []
    limit = curves.acquired_limit
    marks = [] if limit is None else [Mark(limit, "acquired")]
    # beyond the acquired band, sinc interpolation has almost no power: log10 of about 0
    floor = min(curves.spectra[-1].y) - _BELOW
    chart = line_chart(
        "Radial spectra", curves.spectra, _FREQUENCY, _POWER, marks=marks, floor=floor
    )
    caption = (
        "Power of the weighted volumes by spatial frequency. Left of the dashed line lie "
        "the input's own frequencies: both curves should agree there. Right of it, everything was "
        "added by the network: anatomy falls off smoothly, without a bump or a rise."
    )
    return [Chart("Power spectrum, before and after", caption, (("", chart),))]


def _axis_spectra(curves: Curves) -> list[Chart]:
    if not curves.axes:
        return []
    lines = [axis.line for axis in curves.axes]
    marks = [
        Mark(mark.x, f"{mark.label}, {axis.line.label}")
        for axis in curves.axes
        for mark in band_marks(axis)
    ]
    chart = line_chart(
        "Spectra of the input along its axes", lines, _FREQUENCY, _POWER, marks=marks
    )
    caption = (
        "Power of the input along each in-plane axis. A sudden drop before the end means that the "
        "scanner or an earlier program interpolated or filtered: the input then holds less detail "
        "than its voxel size suggests."
    )
    return [Chart("Power spectrum of the input by axis", caption, (("", chart),))]


def _histograms(curves: Curves) -> list[Chart]:
    drawn = []
    for name, lines in curves.histograms:
        title, axis = _MAPS[name]
        chart = line_chart(f"{title}, before and after", lines, axis, "share of voxels")
        caption = (
            "Histogram over the brain before and after. The two should have the same shape; a "
            "shift or a new peak is a change of the measured tissue property, not of sharpness."
        )
        drawn.append(Chart(f"{title}, before and after", caption, (("", chart),)))
    return drawn


def grid_charts(curves: Curves) -> list[Chart]:
    """Draw the image folded onto lattices, if that is known."""
    drawn = []
    for image, maps in curves.lattice:
        drawings = tuple(
            (f"every {len(cells.values)} pixels", heat_map(cells, width=180.0, bare=True))
            for cells in maps
        )
        caption = (
            "The image folded onto a lattice of a few pixels. Anatomy is nowhere locked "
            "to the voxel grid, so all cells should look alike; a checkerboard, stripes or single "
            f"strong cells are a pattern added by the network. Scale ±{maps[0].top:.2g}, "
            "in units of the noise, the same for all periods."
        )
        drawn.append(Chart(f"Grid artifacts, {_IMAGES[image]}", caption, drawings))
    return drawn
