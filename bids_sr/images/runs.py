"""Opening a run: its files exist, are readable and match."""

from __future__ import annotations

from pathlib import Path

from bids_sr.bids.dwi_run import DwiFiles, DwiRun
from bids_sr.bids.encoding import find_encoding
from bids_sr.bids.file_kind import JSON, refuse_foreign
from bids_sr.bids.gradients import B0_THRESHOLD, read_bvals, read_gradients
from bids_sr.errors import InputError
from bids_sr.images.header import read_header


def open_run(files: DwiFiles) -> DwiRun:
    """Check the files of a run and read its gradient table.

    Only the headers of image and mask are read, no voxels.

    Parameters
    ----------
    files : DwiFiles

    Returns
    -------
    DwiRun

    Raises
    ------
    InputError
        If the image cannot be used (`bids_sr.images.header.read_header`) or is not 4D, if a
        gradient file is missing or does not match, if a sidecar is not JSON, if the mask cannot be
        used or is not 3D, or if it is ambiguous which files belong together.
    """
    if files.problem:
        if files.problem.file.suffix == ".json":
            refuse_foreign(files.problem.file, JSON)
        raise files.problem.error()
    shape = read_header(files.dwi).series_shape()
    if files.mask is not None:  # its voxels are only read after the series is done: hours later
        read_header(files.mask).volume_shape()
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


def _required(path: Path | None, files: DwiFiles, extension: str) -> Path:
    if path is not None:
        return path
    expected = f"{files.label}_dwi{extension}"
    raise InputError(
        f"there is no {extension} file for this image: neither {expected} next to it nor one "
        "inherited from a folder above.",
        file=files.dwi,
        remedy=f"Put {expected} next to the image.",
    )
