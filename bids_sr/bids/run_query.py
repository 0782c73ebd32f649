"""The selection of a call: which images of a dataset it concerns."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from attrs import frozen

from bids_sr.bids.filters import Selection
from bids_sr.bids.input_dataset import InputDataset
from bids_sr.bids.names import ENSEMBLE_SD, parse_entities

_OWN = ("sr", ENSEMBLE_SD)


@frozen
class RunQuery:
    """Participants, sessions and the filter of a call."""

    subjects: Collection[str]
    """Labels; empty: all."""
    sessions: Collection[str]
    """Labels; empty: all."""
    selection: Selection
    """The filter's entry for diffusion images."""

    def takes(self, image: Path, dataset: InputDataset) -> bool:
        """Return whether an image with a valid name is requested, before filtering."""
        entities = parse_entities(image.name)
        return (
            (not self.subjects or entities["sub"] in self.subjects)
            and (not self.sessions or entities.get("ses") in self.sessions)
            and entities.get("part", "mag") == "mag"
            and self._has_right_desc(entities.get("desc"), dataset)
        )

    def concerns(self, image: Path, dataset: InputDataset) -> bool:
        """Return whether an image with a wrong name or folder may be a run that is requested.

        Both its folders and its name are considered; what neither gives does not exclude it.
        """
        folders = image.relative_to(dataset.root).parts[:-1]
        desc = _said("desc", image.name)
        right = self._has_right_desc(desc, dataset) if dataset.derivative else desc not in _OWN
        return (
            right
            and _wanted("sub", self.subjects, folders, image.name)
            and _wanted("ses", self.sessions, folders, image.name)
            and (_said("part", image.name) or "mag") == "mag"
        )

    def finds_odd(self, image: Path, dataset: InputDataset) -> bool:
        """Return whether an image with a valid name is derived, although the dataset is raw."""
        derived = parse_entities(image.name).get("desc") not in (None, *_OWN)
        return derived and not dataset.derivative and self.concerns(image, dataset)

    def _has_right_desc(self, desc: str | None, dataset: InputDataset) -> bool:
        usual = "preproc" if dataset.derivative else None
        return desc not in _OWN and (self.selection.any_desc or desc == usual)


def _wanted(key: str, labels: Collection[str], folders: Collection[str], name: str) -> bool:
    said = {folder.removeprefix(f"{key}-") for folder in folders if folder.startswith(f"{key}-")}
    named = _said(key, name)
    said |= {named} if named is not None else set()
    return not labels or not said or not said.isdisjoint(labels)


def _said(key: str, name: str) -> str | None:
    found = re.search(rf"(?:^|_){key}-([^_.]*)", name)
    return found[1] if found else None
