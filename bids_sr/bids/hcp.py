"""Finding the diffusion series of the Human Connectome Project in its unpacked layout.

``SUBJECT/T1w/Diffusion_7T/`` with ``data.nii.gz``, ``bvals``, ``bvecs`` and
``nodif_brain_mask.nii.gz``.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from bids_sr.bids.dwi_run import DwiFiles, Problem
from bids_sr.bids.input_dataset import check_known, folders_in, natural_key
from bids_sr.bids.unreadable import unlisted
from bids_sr.errors import UsageError
from bids_sr.system_errors import reading_remedy

_SERIES = Path("T1w", "Diffusion_7T")
_MASK = "nodif_brain_mask.nii.gz"
_B0_THRESHOLD = 100.0
"""s/mm2: imaging gradients raise some b0s to b = 60 to 70; the lowest shell is 1000."""


def is_hcp(folder: Path) -> bool:
    """Return whether a folder has subjects with a 7T diffusion series."""
    if not folder.is_dir():
        return False
    return any(os.path.exists(each / _SERIES) for each in folders_in(folder))  # noqa: PTH110


def find_hcp(folder: Path, participants: Collection[str] = ()) -> list[DwiFiles]:
    """Find the 7T diffusion series.

    Parameters
    ----------
    folder : pathlib.Path
        Holds the subjects' folders.
    participants : collection of str
        Names of subjects' folders, with or without ``sub-``; empty means all.

    Returns
    -------
    list of DwiFiles
        In natural order of their labels, ``sub-SUBJECT``. Missing files are reported by
        `bids_sr.images.runs.open_run`.

    Raises
    ------
    UsageError
        If a participant has no such series, or two folders belong to one participant.
    """
    found: dict[str, Path] = {}
    for path in (each / _SERIES for each in folders_in(folder)):
        if not os.path.exists(path):  # noqa: PTH110 - which never raises
            continue
        label = path.parents[1].name.removeprefix("sub-")
        if label in found:
            raise UsageError(
                f"and {found[label].parents[1].name} next to it are both participant {label}.",
                file=path.parents[1],
                remedy="Rename or move one of them.",
            )
        found[label] = path
    closed = {k: v for k, v in _closed(folder).items() if k not in found}
    found |= {label: problem.file / _SERIES for label, problem in closed.items()}
    wanted = {label.removeprefix("sub-") for label in participants} or set(found)
    check_known("participant with a 7T diffusion series", wanted, set(found), str(folder))
    return [
        _files(found[label], label, folder, closed.get(label))
        for label in sorted(wanted, key=natural_key)
    ]


def _closed(folder: Path) -> dict[str, Problem]:
    """Return the subjects whose folders cannot be listed, and why."""
    closed = {}
    for subject in folders_in(folder):
        try:
            (subject / _SERIES).stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            label = subject.name.removeprefix("sub-")
            if label.isalnum():  # others, such as lost+found, are not subjects
                text, remedy = unlisted(error), reading_remedy(error)
                closed[label] = Problem(subject, text, remedy, refused=True)
    return closed


def _files(series: Path, subject: str, root: Path, problem: Problem | None) -> DwiFiles:
    mask = None if problem else series / _MASK
    return DwiFiles(
        dwi=series / "data.nii.gz",
        bval=series / "bvals",
        bvec=series / "bvecs",
        # a broken link is a mask that was not fetched, not a missing one
        mask=mask if mask and (mask.exists() or mask.is_symlink()) else None,
        sidecar={},
        problem=problem,
        entities={"sub": subject},
        dataset_root=root.absolute(),
        dataset_name="hcp",
        b0_threshold=_B0_THRESHOLD,
        name=f"sub-{subject}",
    )
