"""One diffusion run: its files, and what is known once they were checked."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from bids_sr.bids.encoding import find_encoding
from bids_sr.bids.file_kind import IMAGE, JSON, refuse_foreign
from bids_sr.bids.file_size import refuse_impossible_size
from bids_sr.bids.gradients import B0_THRESHOLD, GradientTable, read_bvals, read_gradients
from bids_sr.bids.voxel_offset import refuse_offset_in_header
from bids_sr.errors import InputError
from bids_sr.system_errors import reading_remedy

if TYPE_CHECKING:
    from nibabel.arrayproxy import ArrayProxy
    from nibabel.nifti1 import Nifti1Image

_LOGGER = logging.getLogger("bids_sr")

# what nibabel lets through of a damaged header or gzip stream
_BAD_BYTES = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    KeyError,
    TypeError,
    IndexError,
    zlib.error,
)


@frozen
class Problem:
    """What is wrong with a run, as known before its files are opened."""

    file: Path
    """The file it is about."""
    text: str
    """What is wrong, one sentence."""
    remedy: str
    """What to do about it."""
    refused: bool = False
    """The image has no name of its own to be processed under: nothing that other runs may
    have written under such a name is touched."""

    def error(self) -> InputError:
        """Return it as an exception."""
        return InputError(self.text, file=self.file, remedy=self.remedy)


@frozen
class DwiFiles:
    """The files of one run as found on disk, nothing of them checked yet."""

    dwi: Path
    """4D image."""
    bval: Path | None
    """b-values, possibly inherited from a folder above; None if there are none."""
    bvec: Path | None
    """Directions, possibly inherited; None if there are none."""
    mask: Path | None
    """Brain mask that belongs to the run, if any."""
    sidecar: dict[str, Any]
    """Metadata merged from all JSON files that apply to the image."""
    entities: dict[str, str]
    """Short BIDS keys and their labels as written, in file order."""
    dataset_root: Path
    """Top folder of the dataset that holds the image."""
    dataset_name: str = "raw"
    """Name of that dataset in bids: URIs: ``raw`` or the derivative's name."""
    problem: Problem | None = field(default=None)
    """Why it cannot be used, as far as names and sidecars tell; `open_run` raises it."""
    b0_threshold: float | None = None
    """Where the source has its own: b-values up to this one, s/mm2, count as b = 0."""
    name: str | None = None
    """Name of the run where that of its file does not tell."""

    @property
    def label(self) -> str:
        """Name of the run: its own, or the file's without ``_dwi`` and extension."""
        return self.name or self.dwi.name.split(".")[0].removesuffix("_dwi")

    @property
    def refused(self) -> bool:
        """Whether there is no name that it could be processed under."""
        return self.problem is not None and self.problem.refused

    @property
    def subject(self) -> str:
        """Participant label without ``sub-``."""
        return self.entities["sub"]

    @property
    def session(self) -> str | None:
        """Session label without ``ses-``, if there are sessions."""
        return self.entities.get("ses")


@frozen
class StoredGrid:
    """How a series came that was brought to its acquired matrix."""

    path: Path
    """The image as it came."""
    shape: tuple[int, int, int]
    """Voxels along x, y and z."""
    zooms: tuple[float, float, float]
    """Their size, mm."""
    slice_axis: int
    """Voxel axis across the slices, as it was found with these voxels."""
    note: str
    """What was found, and how, in whole sentences."""
    warnings: tuple[str, ...] = ()
    """What was doubtful about its header."""
    nonfinite: Mapping[int, int] = field(factory=dict)
    """Volumes with voxels that had no value, and how many; they were read as zero."""


@frozen
class DwiRun:
    """A run that passed the checks at the door."""

    files: DwiFiles
    """Where it lies."""
    gradients: GradientTable
    """One entry per volume."""
    shape: tuple[int, int, int, int]
    """Image shape (x, y, z, volumes)."""
    warnings: tuple[str, ...] = field(default=(), eq=False)
    """What was doubtful about the small files beside the image, in whole sentences."""
    stored: StoredGrid | None = None
    """How it was stored, if it was finer than it was acquired: `files.dwi` then is a copy of it
    at its acquired matrix (`bids_sr.images.zero_filling`)."""

    @property
    def image(self) -> Path:
        """The image as it came, for messages."""
        return self.stored.path if self.stored else self.files.dwi


def open_run(files: DwiFiles) -> DwiRun:
    """Check the files of a run and read its gradient table.

    Only the header of the image is read, no voxels.

    Parameters
    ----------
    files : DwiFiles

    Returns
    -------
    DwiRun

    Raises
    ------
    InputError
        If the image is missing, not NIfTI, not 4D or empty, if a gradient file
        is missing or does not fit, if a sidecar is not JSON, if the mask is missing or
        no image, or if names leave it open what belongs together.
    """
    if files.problem:
        if files.problem.file.suffix == ".json":
            refuse_foreign(files.problem.file, JSON)
        raise files.problem.error()
    shape = _image_shape(files.dwi)
    if files.mask is not None:  # its voxels are read when the series is done: hours later
        refuse_foreign(files.mask, IMAGE)
    bval = _required(files.bval, files, ".bval")
    bvec = _required(files.bvec, files, ".bvec")
    weighted = read_bvals(bval) > (files.b0_threshold or B0_THRESHOLD)
    encoding = find_encoding(files.dwi, files.sidecar, files.entities, weighted)
    gradients = read_gradients(bval, bvec, shape[3], files.b0_threshold, encoding.not_linear)
    warnings = [*gradients.warnings, *encoding.warnings]
    if encoding.not_linear:
        warnings.append(
            f"No tensor or GQI maps: {encoding.not_linear}, so volumes were not encoded along one"
            " direction each."
        )
    return DwiRun(files, gradients, shape, tuple(warnings))


def log_warnings(run: DwiRun) -> None:
    """Log what was doubtful about the small files of a run, where no record will say it."""
    for warning in run.warnings:
        _LOGGER.warning("%s: %s", run.files.dwi, warning)


def refuse_not_linear(run: DwiRun) -> None:
    """Raise InputError if a run cannot serve where each volume must have a direction."""
    if run.gradients.not_linear:
        raise InputError(
            f"has no tensor: {run.gradients.not_linear}, so volumes were not encoded along one"
            " direction each.",
            file=run.files.dwi,
            remedy="Take another run.",
        )


def _image_shape(path: Path) -> tuple[int, int, int, int]:
    image = _load_header(path)
    offset = int(cast("ArrayProxy", image.dataobj).offset)  # nibabel sets the header's to 0
    shape = tuple(image.shape)
    while len(shape) > 4 and shape[-1] == 1:  # a further axis without extent says nothing
        shape = shape[:-1]
    if len(shape) != 4:
        raise InputError(
            f"is a {len(shape)}D image of {'x'.join(map(str, shape))} voxels; "
            "a diffusion series has 4 dimensions.",
            file=path,
            remedy="Give the whole series with b = 0 and diffusion-weighted volumes.",
        )
    x, y, z, volumes = (int(n) for n in shape)
    if min(x, y, z, volumes) < 1:
        raise InputError(
            f"has no voxels (shape {shape}).", file=path, remedy="Convert the scan again."
        )
    voxel = image.get_data_dtype().itemsize
    refuse_impossible_size(path, offset + x * y * z * volumes * voxel)
    refuse_offset_in_header(path, image.header, offset)
    return x, y, z, volumes


def _load_header(path: Path) -> Nifti1Image:
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    refuse_foreign(path, IMAGE)
    _refuse_closed(path)
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, *_BAD_BYTES) as error:
        raise InputError(
            f"cannot be read as an image ({error}).",
            file=path,
            remedy="Copy or convert it again; 'gzip -t' tells whether a .gz file is damaged.",
        ) from error
    if not isinstance(image, nib.Nifti1Image):
        raise InputError(
            f"is not NIfTI but {type(image).__name__}.", file=path, remedy="Convert it to NIfTI."
        )
    return image


def _refuse_closed(path: Path) -> None:
    """Raise if a file cannot be opened; the process would crash in indexed_gzip, in C."""
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or error}).", file=path, remedy=reading_remedy(error)
        ) from error


def _required(path: Path | None, files: DwiFiles, extension: str) -> Path:
    if path is not None:
        return path
    expected = f"{files.label}_dwi{extension}"
    raise InputError(
        f"there is no {extension} file for this image: neither {expected} beside it nor one "
        "that it could inherit from the folders above.",
        file=files.dwi,
        remedy=f"Put {expected} beside the image.",
    )
