"""A picture of the standard deviation over the self-ensemble."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_sr.bids.names import OutputNames
from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps
from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import load_volume
from bids_sr.quality.ensemble_sd import mean_deviation
from bids_sr.report.contrast_figures import PANEL_WIDTH, letters, slice_titles
from bids_sr.report.drawing import Layout, Panel, draw, panel_size
from bids_sr.report.index import IMAGE, Picture
from bids_sr.report.orientation import SliceView
from bids_sr.report.raster import gray, nice_limit
from bids_sr.report.sampling import Sample
from bids_sr.superres.engine import SuperResolvedDwi

SECTION = "Uncertainty"

Slices = NDArray[np.float32]


def ensemble_sd_pictures(
    sr: SuperResolvedDwi,
    maps: EnsembleSdMaps,
    names: OutputNames,
    brain: NDArray[np.bool_],
    sample: Sample,
    view: SliceView,
    plane: str,
) -> list[Picture]:
    """Draw the standard deviation of the weighted volumes and, below, that of FA.

    Parameters
    ----------
    sr : SuperResolvedDwi
        The run.
    maps : EnsembleSdMaps
        Standard deviations, on disk.
    names : OutputNames
        Where the picture goes.
    brain : numpy.ndarray
        (n, f a, f b), bool, mask of the chosen slices.
    sample : Sample
        Slice numbers and crop.
    view : SliceView
        Orientation of the output's slices in the picture.
    plane : str
        ``axial``, ``coronal`` or ``sagittal``.

    Returns
    -------
    list of Picture
    """
    dwi = 100 / sr.scale * mean_deviation(maps.dwi, sr.run.gradients)
    images = [("sd, weighted volumes", dwi, " %")]
    if maps.fa is not None:
        images.append(("sd of FA", load_volume(maps.fa)[0], ""))
    axis = sr.grid.slice_axis
    numbers = slice_titles(sample, "ijk"[axis])
    rows, tops = [], []
    for title, image, unit in images:
        slices = to_slices(image, axis)[list(sample.slices)]
        top = _top(slices, brain)
        shown = [view.picture(s) for s in sample.box.cut(slices, sample.factor)]
        headings = [f"{title}, {numbers[0]}", *numbers[1:]]
        rows.append(
            [
                Panel(gray(picture, top), heading, letters(view))
                for picture, heading in zip(shown, headings, strict=True)
            ]
        )
        tops.append(f"{title}: 0 to {top:g}{unit}")
    path = names.report_file("ensemblesd", "png")
    size = panel_size(shown[0].shape, view.spacing, PANEL_WIDTH)
    width, height = draw(path, rows, Layout(size))
    return [
        Picture(
            kind=IMAGE,
            section=SECTION,
            title="How much the output depends on orientation",
            alt=f"Maps of the standard deviation over a self-ensemble of {sr.ensemble} in "
            f"{len(sample.slices)} {plane} slices",
            caption=f"Standard deviation over {sr.ensemble} outputs for rotated and flipped "
            f"slices (a self-ensemble). From black to white, {'; '.join(tops)}; "
            "percentages are of bright tissue at b = 0. Where it is bright, the network is less "
            "sure of its detail. It is not a confidence interval: errors are several times larger, "
            "since its members share most of their errors.",
            width=width,
            height=height,
            image=path.name,
        )
    ]


def _top(slices: Slices, brain: NDArray[np.bool_]) -> float:
    values = slices[brain] if brain.any() else slices
    return nice_limit(float(np.percentile(values, 99)))
