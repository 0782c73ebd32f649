"""Datasets from which runs are taken."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from bids_sr.bids.file_kind import JSON, refuse_foreign
from bids_sr.bids.json_file import read_json
from bids_sr.errors import UsageError

_LOGGER = logging.getLogger("bids_sr")


@frozen
class InputDataset:
    """A BIDS dataset on disk."""

    root: Path
    """Top folder, absolute."""
    name: str
    """Its name in bids: URIs: ``raw`` or the derivative's."""
    derivative: bool
    """Whether it holds preprocessed images."""


def open_dataset(root: Path, name: str | None) -> InputDataset:
    """Check that a folder is a BIDS dataset, and determine its kind.

    Parameters
    ----------
    root : pathlib.Path
    name : str or None
        Name of a derivative dataset; None if the kind is to be read from its
        ``dataset_description.json``.

    Returns
    -------
    InputDataset

    Raises
    ------
    UsageError
        If the folder or its description is missing, unreadable or malformed, or the name is not
        valid.
    """
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        # it becomes a folder of the index and part of bids: URIs
        raise UsageError(
            f"'{name}' is not a valid name for a derivative dataset.",
            remedy="Use letters, digits, '_', '-' and '.', as in qsiprep=/data/qsiprep.",
        )
    if not root.is_dir():
        raise UsageError("is not a folder.", file=root, remedy="Give the top of a BIDS dataset.")
    path = root / "dataset_description.json"
    refuse_foreign(path, JSON, UsageError)
    try:
        description = read_json(path)
    except FileNotFoundError as error:
        raise UsageError(
            "has no dataset_description.json, so it is not the top of a BIDS dataset.",
            file=root,
            remedy='Give the top folder, or write that file: {"Name": ..., "BIDSVersion": ...}.',
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot be read as JSON ({error}).", file=path, remedy="Repair this file."
        ) from error
    _check_description(description, path)
    derivative = (
        name is not None
        or description.get("DatasetType") == "derivative"
        or "PipelineDescription" in description  # derivatives before BIDS 1.4
    )
    return InputDataset(
        root.absolute(),
        name or (_pipeline_name(description) if derivative else "raw"),
        derivative,
    )


def _check_description(description: Any, path: Path) -> None:
    """Raise if a description does not have the structure that pybids relies on."""
    if not isinstance(description, dict):
        raise UsageError(
            "does not hold a JSON object.",
            file=path,
            remedy='Write for example {"Name": "...", "BIDSVersion": "1.10.0"}.',
        )
    if description.get("DatasetType") != "derivative":  # pybids does not read the rest then
        return
    made_by = description.get("GeneratedBy", [])
    if not isinstance(made_by, list) or not all(isinstance(entry, dict) for entry in made_by):
        raise UsageError(
            "its GeneratedBy is not a list of JSON objects.",
            file=path,
            remedy='Write for example "GeneratedBy": [{"Name": "QSIPrep"}].',
        )
    if not isinstance(description.get("PipelineDescription", {}), dict):
        raise UsageError(
            "its PipelineDescription is not a JSON object.",
            file=path,
            remedy='Write "GeneratedBy": [{"Name": "..."}] in its place.',
        )


def _pipeline_name(description: Mapping[str, Any]) -> str:
    made_by = description.get("GeneratedBy") or [{}]
    first = made_by[0] if isinstance(made_by, list) and isinstance(made_by[0], dict) else {}
    # a name in a bids: URI has only these characters
    return re.sub(r"[^a-z0-9_-]+", "-", str(first.get("Name", "")).lower()) or "preprocessed"


def tell_odd_folders(datasets: Iterable[InputDataset]) -> None:
    """Warn of folders that look like a participant's but do not begin with ``sub-``."""
    for dataset in datasets:
        for folder in folders_in(dataset.root):
            name = folder.name
            # os.path.isdir never raises
            alike = name.casefold().startswith("sub-") or os.path.isdir(folder / "dwi")  # noqa: PTH112
            if alike and not name.startswith(("sub-", ".")):
                _LOGGER.warning(
                    "%s: ignored, since the name of a participant's folder begins with 'sub-'.",
                    folder,
                )


def check_labels(datasets: Iterable[InputDataset], subs: set[str], sess: set[str]) -> None:
    """Raise UsageError, listing the available labels, if a label has no folder."""
    people = [
        folder
        for dataset in datasets
        for folder in folders_in(dataset.root)
        if folder.name.startswith("sub-")
    ]
    known = {folder.name.removeprefix("sub-") for folder in people}
    where = ", ".join(str(dataset.root) for dataset in datasets)
    check_known("participant", subs, known, where)
    if sess:
        chosen = [f for f in people if not subs or f.name.removeprefix("sub-") in subs]
        try:
            names = {name for folder in chosen for name in os.listdir(folder)}  # noqa: PTH208
        except OSError:  # unknown: that folder is reported as a failure of its own
            return
        visits = {name.removeprefix("ses-") for name in names if name.startswith("ses-")}
        check_known("session", sess, visits, where)


def folders_in(folder: Path) -> list[Path]:
    """Return the subfolders of a folder, including entries that cannot be examined; sorted."""
    with os.scandir(folder) as entries:
        return [folder / e.name for e in sorted(entries, key=lambda e: e.name) if _may_be_one(e)]


def _may_be_one(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return True


def check_known(kind: str, wanted: set[str], known: set[str], where: str) -> None:
    """Raise UsageError, listing the available labels, if a label of this kind is unknown."""
    missing = sorted(wanted - known, key=natural_key)
    if missing:
        there = ", ".join(sorted(known, key=natural_key)) or "none"
        raise UsageError(
            f"no {kind} {', '.join(missing)}.", file=where, remedy=f"Available: {there}."
        )


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a sort key by which ``run-2`` comes before ``run-10``."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)
    ]
