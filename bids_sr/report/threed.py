"""The 3D page of a run: acquired, super-resolved and FA in niivue, without network access."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.names import OutputNames
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.report.niivue import write_viewer
from bids_sr.report.pages import write_page
from bids_sr.report.raster import window_top
from bids_sr.report.sampling import choose_contrasts
from bids_sr.report.volumes3d import Packed, brain_crop, pack, widened, write_volumes
from bids_sr.superres.engine import SuperResolvedDwi

DESC = "3d"
"""Label of the page's file."""
_POLICY = (
    "default-src 'none'; script-src 'self' file: '{digest}'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src data: blob:; base-uri 'none'; form-action 'none'"
)


def make_3d(sr: SuperResolvedDwi, names: OutputNames, *, mask: Path, has_tensor: bool) -> Path:
    """Write the 3D page of a run with its volumes, and the viewer shared by the dataset.

    Parameters
    ----------
    sr : SuperResolvedDwi
        The series, before and after.
    names : OutputNames
        Paths of the output.
    mask : pathlib.Path
        Brain mask on the output grid.
    has_tensor : bool
        Whether there is a map of FA.

    Returns
    -------
    pathlib.Path
        The page, ``..._desc-3d_dwi.html``.

    Raises
    ------
    InputError, OutputError
        If an image cannot be read or a file cannot be written.
    """
    data = names.report_file("3dvolumes", "js")
    names.figures_dir.mkdir(parents=True, exist_ok=True)
    write_volumes(data, _volumes(sr, names, load_volume(mask)[0] > 0, has_tensor))
    viewer, licence = write_viewer(names.out_dir)
    up = "../.."
    return write_page(
        names.report_file(DESC, "html"),
        "threed.html",
        styles=("style.css", "threed.css"),
        scripts=("threed.js",),
        policy_form=_POLICY,
        run=names.report_file(DESC, "html").name.split("_desc-")[0].replace("_", " "),
        subject=names.files.subject,
        back=f"{up}/sub-{names.files.subject}.html",
        viewer=f"{up}/{viewer}",
        volumes=data.name,
        licence=f"{up}/{licence}",
    )


def _volumes(
    sr: SuperResolvedDwi, names: OutputNames, brain: NDArray[np.bool_], has_tensor: bool
) -> list[Packed]:
    grid = sr.grid
    steps = tuple(1 if axis == grid.slice_axis else grid.factor for axis in range(3))
    assert len(steps) == 3
    crop = brain_crop(brain, steps, grid.slice_axis)
    coarse = widened(brain[:: steps[0], :: steps[1], :: steps[2]])
    where = _Place(grid.affine, crop.scaled((1, 1, 1)), coarse)
    fine = _Place(grid.high_resolution[1], crop.scaled(steps), widened(brain))
    packed = _series(sr, where, fine)
    maps = (
        ("FA, input", names.input_tensor("fa"), where),
        ("FA, output", names.tensor("fa"), fine),
    )
    for label, path, place in maps:
        if has_tensor and path.is_file():
            note = "Fractional anisotropy; 0 is black, 1 is white."
            packed.append(place.pack(label, note, load_volume(path)[0], 1.0))
    return packed


@frozen(eq=False)
class _Place:
    """The crop of a volume, on the grid of the input or of the output."""

    affine: NDArray[np.float64]
    block: tuple[slice, ...]
    keep: NDArray[np.bool_]

    def pack(self, label: str, note: str, volume: NDArray[np.float32], top: float) -> Packed:
        return pack(label, note, volume, self.affine, self.block, self.keep, top)


def _series(sr: SuperResolvedDwi, coarse: _Place, fine: _Place) -> list[Packed]:
    contrast = choose_contrasts(sr.run.gradients)[0]
    with DwiReader(sr.run.files.dwi) as before, DwiReader(sr.dwi) as after:
        acquired, output = (reader.volume(contrast.volume) for reader in (before, after))
    top = window_top(acquired, coarse.keep)
    which = f"volume {contrast.volume}, {contrast.title}"
    output_note = f"Super-resolved: {which}, on the same grey scale."
    return [
        coarse.pack("Acquired", f"As acquired: {which}.", acquired, top),
        fine.pack("Super-resolved", output_note, output, top),
    ]
