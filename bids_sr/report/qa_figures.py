"""Pictures of quantitative anisotropy: of the output, and of the input where it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.bids.names import OutputNames
from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import load_volume
from bids_sr.report.contrast_figures import letters, map_size, slice_places, slice_titles
from bids_sr.report.drawing import Layout, Panel, draw, gray_key
from bids_sr.report.index import COMPARE, IMAGE, Picture
from bids_sr.report.orientation import SliceView
from bids_sr.report.raster import gray, window_top
from bids_sr.report.sampling import Sample

SECTION, TITLE, TAB = "Generalized q-sampling imaging", "Quantitative anisotropy", "QA"


def qa_pictures(
    names: OutputNames,
    sample: Sample,
    view: SliceView,
    slice_axis: int,
    plane: str,
    *,
    brain: NDArray[np.bool_],
    input_qa: Path | None = None,
) -> list[Picture]:
    """Draw QA of input and output, both on the grey scale of the output.

    Parameters
    ----------
    names : OutputNames
        Paths of the output's map and of the pictures.
    sample : Sample
        Slice numbers and crop.
    view : SliceView
        Orientation of the output's slices in the picture.
    slice_axis : int
        Voxel axis across the slices.
    plane : str
        ``axial``, ``coronal`` or ``sagittal``.
    brain : numpy.ndarray
        (n, f a, f b), bool, mask of the chosen slices.
    input_qa : pathlib.Path, optional
        QA of the input on its own grid. Without it the output is shown alone.

    Returns
    -------
    list of Picture
        One, or none without a map.
    """
    if not names.gqi("qa").is_file():
        return []
    pair = input_qa is not None and input_qa.is_file()
    sources = [("sr", names.gqi("qa"), sample.factor)]
    if input_qa is not None and pair:
        sources.insert(0, ("input", input_qa, 1))
    chosen = {
        tag: to_slices(load_volume(path)[0], slice_axis)[list(sample.slices)]
        for tag, path, _ in sources
    }
    top = window_top(chosen["sr"], brain)
    layout = Layout(map_size(sample, view), gray_key(f"{top:.2g}"))
    titles = slice_titles(sample, "ijk"[slice_axis])
    files, size = [], (0, 0)
    for tag, _, factor in sources:
        row = [
            Panel(gray(view.picture(slice_), top), title, letters(view))
            for slice_, title in zip(sample.box.cut(chosen[tag], factor), titles, strict=True)
        ]
        target = names.report_file(f"qa{tag}", "png")
        size = draw(target, [row], layout)
        files.append(target.name)
    shown = {"before": files[0], "after": files[1]} if pair else {"image": files[0]}
    return [
        Picture(
            kind=COMPARE if pair else IMAGE,
            section=SECTION,
            title=TITLE,
            alt=f"{TITLE} in {len(sample.slices)} {plane} slices",
            caption=_caption(top, pair),
            width=size[0],
            height=size[1],
            before_label="QA of the input",
            after_label="QA of the output",
            tab=TAB,
            places=tuple(slice_places(sample, "ijk"[slice_axis], layout)),
            **shown,
        )
    ]


def _caption(top: float, pair: bool) -> str:
    scale = f"From black to white, 0 to {top:.2g}."
    if pair:
        return f"{scale} QA of the input is drawn with its own voxels, enlarged."
    return f"{scale} Output only: QA of the input was not kept."
