"""Diffusion maps that an older version of this program wrote, under other names.

Before maps were named as in BEP016, ``res`` came before ``model``, and the tensor, in the order of
MRtrix3, was ``param-tensor``. Such files are found by their names, and never changed.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from bids_sr.bids.ownership import NAME, is_us, makers, read_description
from bids_sr.errors import UsageError

_LOG = logging.getLogger("bids_sr")

_OLDER = re.compile(
    r"sub-.*("
    r"_res-[A-Za-z0-9+]*x[23]_model-(tensor|gqi)_param-[a-z0-9]+(_desc-srsd)?"
    r"|_model-tensor_param-tensor_desc-input"
    r")_dwimap\.nii\.gz"
)
_TOLD = 2
"""Files named in a message."""
_LOOKED_AT = 20
"""Folders of other participants that are searched for maps."""


def is_older(name: str) -> bool:
    """Return whether a file name is that of a map of an older version.

    Examples
    --------
    >>> is_older("sub-01_res-x2_model-tensor_param-fa_dwimap.nii.gz")
    True
    >>> is_older("sub-01_model-tensor_param-fa_res-x2_dwimap.nii.gz")
    False
    """
    return _OLDER.fullmatch(name) is not None


def older_outputs(out_dir: Path, subjects: Collection[str]) -> Iterator[str]:
    """Yield maps of an older version, of participants and of one other.

    All outputs of a folder are of one version, since mixing them is refused: of participants other
    than those of a call, one with maps is enough, and not thousands of folders are searched for it.

    Parameters
    ----------
    out_dir : pathlib.Path
        Derivative dataset; need not exist.
    subjects : collection of str
        Labels without ``sub-``; none means all.

    Yields
    ------
    str
        Paths below `out_dir`.
    """
    wanted = {f"sub-{label}" for label in subjects}
    folders = sorted(name for name in _names(out_dir) if name.startswith("sub-"))
    own = [name for name in folders if not wanted or name in wanted]
    others = [name for name in folders if wanted and name not in wanted]
    for folder in own:
        yield from (name for name in _maps(out_dir, folder) if is_older(Path(name).name))
    for folder in others[:_LOOKED_AT]:
        if maps := list(_maps(out_dir, folder)):
            yield from (name for name in maps if is_older(Path(name).name))
            return


def older_told(out_dir: Path, subjects: Collection[str] = ()) -> str:
    """Return the first maps of an older version, for a message; empty if there are none."""
    found = list(islice(older_outputs(out_dir, subjects), _TOLD))
    return " and ".join(found) if found and _is_ours(out_dir) else ""


def warn_of_older(out_dir: Path, subjects: Collection[str] = ()) -> None:
    """Warn where pages are made from the records of an older version, which is still possible."""
    if told := older_told(out_dir, subjects):
        _LOG.warning(
            "%s: holds outputs of an older version of %s (such as %s). Pages show its results;"
            " maps keep the older names and order of tensor components.",
            out_dir,
            NAME,
            told,
        )


def check_version(out_dir: Path, subjects: Collection[str]) -> None:
    """Refuse an output folder with maps that an older version named otherwise.

    Parameters
    ----------
    out_dir : pathlib.Path
        Need not exist.
    subjects : collection of str
        Participants that will be processed, without ``sub-``; none means all.

    Raises
    ------
    UsageError
        If there are any: outputs of two versions would be mixed.
    """
    if told := older_told(out_dir, subjects):
        raise UsageError(
            f"holds diffusion maps of an older version of {NAME}, whose names and tensors are"
            f" ordered otherwise (such as {told}). Outputs of two versions would be mixed.",
            file=out_dir,
            remedy="Give another output folder, or move the older outputs (folders sub-*) away.",
        )


def _is_ours(out_dir: Path) -> bool:
    """Return whether the folder says that it is ours, or says nothing at all."""
    names = makers(read_description(out_dir) or {})
    return not names or any(map(is_us, names))


def _maps(out_dir: Path, subject: str) -> Iterator[str]:
    levels = [subject, *(f"{subject}/{n}" for n in _names(out_dir / subject) if n[:4] == "ses-")]
    for level in levels:
        names = _names(out_dir / level / "dwi")
        yield from (f"{level}/dwi/{name}" for name in names if "_dwimap." in name)


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return sorted(entry.name for entry in found)
    except OSError:  # none, or a file
        return []
