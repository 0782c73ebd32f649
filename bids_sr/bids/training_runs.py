"""Runs for training or scoring: from a BIDS dataset, or from HCP folders."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.finding import find_dwi
from bids_sr.bids.hcp import find_hcp, is_hcp
from bids_sr.errors import UsageError


def find_training_runs(folder: Path, participants: Collection[str] = ()) -> list[DwiFiles]:
    """Find the diffusion runs of a folder of either kind.

    Parameters
    ----------
    folder : pathlib.Path
        Top of a BIDS dataset, or folder of Human Connectome Project subjects
        (`bids_sr.bids.hcp`).
    participants : collection of str
        Labels, with or without ``sub-``; empty means all.

    Returns
    -------
    list of DwiFiles
        In natural order.

    Raises
    ------
    UsageError
        If the folder is of neither kind, or a participant does not exist.
    """
    if (folder / "dataset_description.json").exists():
        return find_dwi(folder, participants=participants)
    if is_hcp(folder):
        return find_hcp(folder, participants)
    if any(folder.glob("sub-*")):
        return find_dwi(folder, participants=participants)  # whose error says what is missing
    raise UsageError(
        "is neither a BIDS dataset nor a folder of HCP subjects."
        if folder.is_dir()
        else "is not a folder.",
        file=folder,
        remedy="Give the top of a BIDS dataset (with its dataset_description.json), or a folder"
        " that holds SUBJECT/T1w/Diffusion_7T.",
    )
