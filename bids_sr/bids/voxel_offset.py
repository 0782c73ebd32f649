"""Where the voxels of a single NIfTI file begin."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.errors import InputError

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header


def refuse_offset_in_header(path: Path, header: Nifti1Header, offset: float) -> None:
    """Raise if voxels would be read out of the header.

    nibabel lets an offset of 0 pass, as the headers of pairs (.hdr and .img) have it, and
    reads the header's own bytes as the first voxels.

    Parameters
    ----------
    path : pathlib.Path
        ``.nii`` or ``.nii.gz``.
    header : nibabel.nifti1.Nifti1Header
        Of the file.
    offset : float
        Its ``vox_offset``; nibabel sets that of a loaded image to 0, the one of its
        ``dataobj`` is true.

    Raises
    ------
    InputError
    """
    least = int(header.single_vox_offset)
    if offset >= least:
        return
    raise InputError(
        f"says that its voxels begin at byte {offset:g} (vox_offset), inside its own header.",
        file=path,
        remedy=f"Convert it again; if they begin at {least}, say so: nifti_tool -mod_hdr"
        f" -mod_field vox_offset {least} -overwrite -infiles {shlex.quote(path.name)}.",
    )
