"""All pictures of one run, drawn from the files of the output folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from bids_sr.bids.names import OutputNames
from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps
from bids_sr.diffusion.gradient_check import CheckedRun
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.report.contrast_figures import ContrastSlices, contrast_picture
from bids_sr.report.ensemble_sd_figures import ensemble_sd_pictures
from bids_sr.report.gradient_figures import gradient_pictures
from bids_sr.report.index import write_index
from bids_sr.report.orientation import SliceView, slice_view
from bids_sr.report.qa_figures import qa_pictures
from bids_sr.report.sampling import Sample, choose_contrasts, choose_sample
from bids_sr.report.side_by_side import side_by_side_pictures
from bids_sr.report.tensor_figures import tensor_pictures
from bids_sr.report.threed import make_3d
from bids_sr.superres.engine import SuperResolvedDwi

_PLANES = {"R": "sagittal", "L": "sagittal", "A": "coronal", "P": "coronal"}


def make_figures(
    sr: SuperResolvedDwi,
    names: OutputNames,
    *,
    mask: Path,
    has_tensor: bool,
    input_mask: Path | None = None,
    checked: CheckedRun | None = None,
    ensemble_sd: EnsembleSdMaps | None = None,
    has_gqi: bool = False,
    input_qa: Path | None = None,
) -> Path:
    """Draw the pictures of a run and list them.

    Sampled slices are held in memory; of the input, those that the tensor is fitted to.

    Parameters
    ----------
    sr : SuperResolvedDwi
        The series, before and after.
    names : OutputNames
        Paths of the output; the pictures go to ``names.figures_dir``.
    mask : pathlib.Path
        Brain mask on the output grid: selects the slices, and is outlined.
    has_tensor : bool
        Whether there are tensor maps to show.
    input_mask : pathlib.Path, optional
        Brain mask on the input's grid, to be outlined; by default that of the output.
    checked : CheckedRun, optional
        Result of the gradient-table check.
    ensemble_sd : EnsembleSdMaps, optional
        Standard deviation over the self-ensemble, if there is one to show.
    has_gqi : bool
        Whether there are maps of QA to show.
    input_qa : pathlib.Path, optional
        QA of the input on its own grid, to be shown next to that of the output.

    Returns
    -------
    pathlib.Path
        The list, ``..._desc-index_dwi.json``.

    Raises
    ------
    InputError, OutputError
        If an image cannot be read or a picture cannot be written.
    """
    grid = sr.grid
    volume = load_volume(mask)[0] > 0
    brain = to_slices(volume, grid.slice_axis)
    sample = choose_sample(brain, grid.factor)
    view = slice_view(grid.high_resolution[1], grid.slice_axis)
    plane = plane_name(grid)
    inside = brain[list(sample.slices)]
    contrasts = _contrasts(sr, inside, sample, view, plane)
    pictures = side_by_side_pictures(
        sr,
        names,
        contrasts,
        input_brain=_acquired_brain(volume, input_mask, grid),
        has_tensor=has_tensor,
    )
    pictures += [contrast_picture(shown, names) for shown in contrasts]
    if has_tensor and checked is not None:
        pictures += gradient_pictures(names, checked)
    if has_tensor:
        pictures += tensor_pictures(names, sample, view, grid.slice_axis, plane)
    if has_gqi:
        pictures += qa_pictures(
            names, sample, view, grid.slice_axis, plane, brain=inside, input_qa=input_qa
        )
    if ensemble_sd is not None:
        pictures += ensemble_sd_pictures(sr, ensemble_sd, names, inside, sample, view, plane)
    make_3d(sr, names, mask=mask, has_tensor=has_tensor)
    index = names.report_file("index", "json")
    write_index(index, pictures, sr.card.to_dict())
    return index


def plane_name(grid: SliceGrid) -> str:
    """Return ``axial``, ``coronal`` or ``sagittal``, whichever is nearest to the slices."""
    return _PLANES.get(aff2axcodes(grid.affine)[grid.slice_axis], "axial")


def _contrasts(
    sr: SuperResolvedDwi,
    brain: NDArray[np.bool_],
    sample: Sample,
    view: SliceView,
    plane: str,
) -> list[ContrastSlices]:
    found: list[ContrastSlices] = []
    axis = sr.grid.slice_axis
    with DwiReader(sr.run.files.dwi) as acquired, DwiReader(sr.dwi) as output:
        for contrast in choose_contrasts(sr.run.gradients):
            before, after = (
                to_slices(reader.volume(contrast.volume), axis)[list(sample.slices)]
                for reader in (acquired, output)
            )
            found.append(
                ContrastSlices(contrast, before, after, brain, sample, view, plane, "ijk"[axis])
            )
    return found


def _acquired_brain(
    brain: NDArray[np.bool_], path: Path | None, grid: SliceGrid
) -> NDArray[np.bool_]:
    """Return the mask on the acquired grid; without one, the output's, resampled to it."""
    if path is not None and path.is_file():
        return load_volume(path)[0] > 0
    steps = [1 if axis == grid.slice_axis else grid.factor for axis in range(3)]
    return brain[:: steps[0], :: steps[1], :: steps[2]]
