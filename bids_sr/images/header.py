"""Opening an image: the one place where headers are read and checked.

`read_header` gives what is known about an image without its voxels;
`bids_sr.images.nifti.DwiReader` and `load_volume`, which read voxels, call it first.
"""

from __future__ import annotations

import math
import shlex
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from attrs import evolve
from isal import igzip, isal_zlib
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from bids_sr.bids.file_kind import IMAGE, refuse_foreign
from bids_sr.errors import InputError
from bids_sr.images.image_meta import ImageMeta
from bids_sr.images.orientation import (
    length_problem,
    length_warnings,
    orientation_warnings,
    repair_warnings,
)
from bids_sr.system_errors import reading_remedy

_PADDING = 1024
"""Bytes allowed after the last voxel as block padding."""

_LONGEST_HEADER = 540
"""Bytes of a NIfTI-2 header; a NIfTI-1 header has 348."""

_DEFLATE = 1032
"""Upper limit of gzip's compression ratio."""

_SECONDS_PER = {8: 1.0, 16: 1e-3, 24: 1e-6}
"""NIfTI codes for seconds, milliseconds, microseconds."""

COPY_AGAIN = "Copy or convert it again from its source, or exclude this run."
"""What to do about a damaged file."""

_HEADER_ERRORS = (ImageFileError, HeaderDataError, KeyError, TypeError, IndexError)

_READ_ERRORS = (
    OSError,  # also gzip.BadGzipFile, indexed_gzip's ZranError, nibabel's short reads
    EOFError,
    ValueError,
    OverflowError,
    zlib.error,
    cast("type[Exception]", isal_zlib.error),
)


def read_header(path: Path) -> ImageMeta:
    """Read and check the header of an image; no voxels are read.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``, NIfTI-1 or NIfTI-2.

    Returns
    -------
    ImageMeta

    Raises
    ------
    InputError
        If the file is missing, unreadable, not NIfTI or shorter than its header promises; if it is
        empty or holds colours or complex numbers; if its affine is singular, or its lengths are not
        in mm.
    """
    refuse_foreign(path, IMAGE)
    with reading_errors(path):
        raw, image = _without_voxels(path)
        header: Nifti1Header = image.header
        proxy = image.dataobj
        shape = _without_trailing_ones(image.shape)
        _refuse_content(path, header, shape)
        meta = ImageMeta(
            path,
            shape,
            _checked_affine(path, image),
            proxy.dtype,
            int(proxy.offset),  # nibabel sets the header's value to 0
            float(proxy.slope),
            float(proxy.inter),
            qform_code=int(header["qform_code"]),
            sform_code=int(header["sform_code"]),
            encoding_axes=header.get_dim_info(),
            repetition_time=_repetition_time(header),
        )
        _refuse_size(meta)
        _refuse_offset(meta, int(header.single_vox_offset))
        return evolve(meta, warnings=_warnings(raw, header, meta))


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Convert exceptions of nibabel and decompressors in a ``with`` block to InputError."""
    try:
        yield
    except _HEADER_ERRORS as error:
        raise InputError(
            f"cannot be read as an image ({_one_line(error, path)}).",
            file=path,
            remedy=COPY_AGAIN,
        ) from error
    except _READ_ERRORS as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(
                f"cannot be read: {error.strerror}.", file=path, remedy=reading_remedy(error)
            ) from error
        raise InputError(
            f"cannot be read as an image (truncated or damaged: {_damage(error, path)}).",
            file=path,
            remedy=COPY_AGAIN,
        ) from error


def told_length(path: Path) -> int:
    """Return the length of a file, bytes; for gzip that of its last member, modulo 2**32."""
    if not is_zipped(path):
        return path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        return int.from_bytes(stream.read(4), "little")


def is_zipped(path: Path) -> bool:
    """Return whether a file is compressed, judging by its name."""
    return path.name.lower().endswith(".gz")


def _without_voxels(path: Path) -> tuple[Nifti1Header, Any]:
    # not nibabel.load: it opens by name, and does not notice truncation
    with igzip.open(path) if is_zipped(path) else path.open("rb") as stream:
        start = stream.read(_LONGEST_HEADER)
        stream.seek(0)
        for kind in (nib.Nifti1Image, nib.Nifti2Image):
            header = kind.header_class
            if header.may_contain_header(start):
                # as stored, since nibabel silently repairs what it can
                raw = header(start[: header.sizeof_hdr], check=False)
                return raw, kind.from_stream(stream)
    raise ImageFileError("it has no NIfTI header")


def _refuse_content(path: Path, header: Nifti1Header, shape: tuple[int, ...]) -> None:
    dtype = header.get_data_dtype()
    if dtype.fields or dtype.kind not in "iuf":
        kind = "colours" if dtype.fields else "complex numbers"
        raise InputError(
            f"holds {kind}, but one real number per voxel is expected.",
            file=path,
            remedy="Use the scanner's magnitude series, not a derived map.",
        )
    if min(shape, default=0) < 1:
        raise InputError(f"has no voxels (shape {shape}).", file=path, remedy=COPY_AGAIN)


def _checked_affine(path: Path, image: Any) -> NDArray[np.float64]:
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise InputError(
            "has a singular affine, so its voxels have no position.",
            file=path,
            remedy="Convert it again from DICOM.",
        )
    problem = length_problem(image.header, voxel_sizes(affine))
    if problem:
        raise InputError(
            problem, file=path, remedy="Convert it again from DICOM, with lengths in mm."
        )
    return affine


def _refuse_size(meta: ImageMeta) -> None:
    """Raise if a file is too short for its voxels, before memory is allocated.

    A gzip file is only refused if no compression could be that strong: whether it is complete shows
    when it is read.
    """
    size = meta.path.stat().st_size
    if meta.promised_bytes > size * (_DEFLATE if is_zipped(meta.path) else 1):
        raise InputError(
            f"is truncated: it holds {size} bytes, but its header promises {meta.promised_bytes}.",
            file=meta.path,
            remedy=COPY_AGAIN,
        )


def _refuse_offset(meta: ImageMeta, least: int) -> None:
    """Raise if voxels would be read from inside the header.

    nibabel accepts an offset of 0, which the headers of pairs (.hdr and .img) have, and reads the
    header's own bytes as the first voxels.
    """
    if meta.offset >= least:
        return
    raise InputError(
        f"has voxels that begin at byte {meta.offset} (vox_offset), inside its own header.",
        file=meta.path,
        remedy=f"Convert it again; if they begin at {least}, correct it: nifti_tool -mod_hdr"
        f" -mod_field vox_offset {least} -overwrite -infiles {shlex.quote(meta.path.name)}.",
    )


def _warnings(raw: Nifti1Header, header: Nifti1Header, meta: ImageMeta) -> tuple[str, ...]:
    said = [
        *repair_warnings(raw, header),
        *orientation_warnings(header),
        *length_warnings(header),
    ]
    over = told_length(meta.path) - meta.promised_bytes
    # often a sign that matrix or data type in the header are too small
    if over > _PADDING:
        said.append(
            f"After its last voxel the file holds {over} more bytes, which are ignored: check"
            " matrix and data type in its header."
        )
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    if not math.isfinite(slope) and inter:
        said.append(
            f"The header's scl_slope is {slope:g}, scl_inter {inter:g}: voxels are not scaled."
        )
    return tuple(said)


def _repetition_time(header: Nifti1Header) -> float:
    seconds = float(header["pixdim"][4]) * _SECONDS_PER.get(int(header["xyzt_units"]) & 0o70, 1.0)
    # NaN and infinity mean unknown
    return seconds if np.isfinite(seconds) and seconds > 0 else 0.0


def _damage(error: Exception, path: Path) -> str:
    if isinstance(error, BadGzipFile):  # not gzip, or a wrong checksum
        return _one_line(error, path)
    return "its data end early or are corrupt"


def _one_line(error: Exception, path: Path) -> str:
    text = " ".join(str(error).replace(str(path), "the file").split()).rstrip(".")
    return text or type(error).__name__


def _without_trailing_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    short = tuple(int(n) for n in shape)
    while len(short) > 4 and short[-1] == 1:
        short = short[:-1]
    return short
