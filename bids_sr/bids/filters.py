"""The ``dwi`` entry of a BIDS filter file, matched against paths inside the dataset."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bids_sr.errors import UsageError

if TYPE_CHECKING:
    from bids.layout import BIDSLayout
    from bids.layout.models import Entity

_LOGGER = logging.getLogger("bids_sr")

# the kind of file: unreliable where the name is misspelt
_OF_KIND = ("suffix", "extension", "datatype")
_PRESENT = ("*", "Query.ANY", "Query.REQUIRED")
_ABSENT = "Query.NONE"
_ANYHOW = "Query.OPTIONAL"
# what pybids knows besides entities, and is the same for all images here
_AS_EVER = (("scope", "all"), ("scope", "self"), ("invalid_filters", "error"))


@frozen
class Selection:
    """What a filter selects."""

    wanted: Mapping[str, list[Any]]
    """pybids entity to the labels accepted."""
    by_regex: bool
    """Whether the labels are regular expressions."""

    @property
    def any_desc(self) -> bool:
        """Whether the filter decides on ``desc``."""
        return "desc" in self.wanted


def read_selection(filters: Mapping[str, Any] | None) -> Selection:
    """Read the ``dwi`` entry of a BIDS filter file.

    Parameters
    ----------
    filters : mapping or None
        The entry maps pybids entities to a label, a list of labels, None (entity
        absent) or ``"*"`` (present); ``regex_search`` may be added.

    Returns
    -------
    Selection

    Raises
    ------
    UsageError
        If the entry is not an object.
    """
    chosen = (filters or {}).get("dwi", {})
    if not isinstance(chosen, Mapping):
        raise UsageError(
            "the 'dwi' entry of the BIDS filter is not an object.",
            remedy='Write for example {"dwi": {"acquisition": "AP"}}.',
        )
    if filters and not chosen:
        _LOGGER.warning("The BIDS filter has no 'dwi' entry: it selects nothing.")
    wanted = {
        key: list(value) if isinstance(value, list | tuple) else [value]
        for key, value in chosen.items()
        if key != "regex_search" and (key, value) not in _AS_EVER
    }
    return Selection(wanted, bool(chosen.get("regex_search")))


@frozen
class _Wanted:
    """The labels of one entity that are accepted."""

    entity: Entity
    values: list[Any]
    """Labels as written, or regular expressions."""
    absent: bool
    present: bool
    anyhow: bool

    def fits(self, found: re.Match[str] | None) -> bool:
        if self.anyhow:
            return True
        if found is None:
            return self.absent
        label = self.entity._astype(found[1])
        return self.present or any(
            value.search(found[1]) if isinstance(value, re.Pattern) else value == label
            for value in self.values
        )


class Filter:
    """A selection applied to the files of one index.

    pybids looks for entities in the whole path, so that below ``/acq-AP/`` every
    file has that acquisition. Here the same patterns are matched against the path inside the
    dataset.

    Parameters
    ----------
    selection : Selection
    layout : bids.layout.BIDSLayout
        Knows the entities; those that are not part of names are looked up in it.

    Raises
    ------
    UsageError
        If it has no such entity, or a label is not valid.
    """

    def __init__(self, selection: Selection, layout: BIDSLayout) -> None:
        known: Mapping[str, Entity] = layout.get_entities() if selection.wanted else {}
        for key in selection.wanted:
            if key not in known:
                raise _unusable(f"'{key}' is not a recognized entity.{_similar(key, known)}")
        self._root = Path(layout.root)
        self._by_regex = selection.by_regex
        named = {k: v for k, v in selection.wanted.items() if known[k].regex is not None}
        self._named = [self._read(known[k], v) for k, v in named.items()]
        self._others = {k: v for k, v in selection.wanted.items() if k not in named}
        self._has_others = self._look_up(layout)

    def takes(self, path: Path, *, misnamed: bool = False) -> bool:
        """Return whether a file is selected.

        Parameters
        ----------
        path : pathlib.Path
            Relative to the dataset's top.
        misnamed : bool
            Its name is not reliable: only a clear mismatch excludes it.

        Returns
        -------
        bool
        """
        if self._has_others is not None and not misnamed and path not in self._has_others:
            return False
        inside = f"/{path.relative_to(self._root).as_posix()}"
        for wanted in self._named:
            found = wanted.entity.regex.search(inside)
            unsure = misnamed and (not found or wanted.entity.name in _OF_KIND)
            if not unsure and not wanted.fits(found):
                return False
        return True

    def _read(self, entity: Entity, labels: list[Any]) -> _Wanted:
        special = [v for v in labels if v is None or v in (*_PRESENT, _ABSENT, _ANYHOW)]
        said = [str(v) for v in labels if v not in special]
        try:
            if self._by_regex:
                values: list[Any] = [re.compile(text) for text in said]
            elif entity.name == "extension":
                values = [f".{text.lstrip('.')}" for text in said]
            else:
                values = [entity._astype(text) for text in said]
        except (TypeError, ValueError, re.error) as error:
            raise _unusable(f"{entity.name}: {error}.") from error
        return _Wanted(
            entity,
            values,
            absent=None in special or _ABSENT in special,
            present=not set(_PRESENT).isdisjoint(special),
            anyhow=_ANYHOW in special or not labels,
        )

    def _look_up(self, layout: BIDSLayout) -> set[Path] | None:
        """Return the files selected by metadata; None if the filter does not use metadata."""
        from bids.layout import Query

        if not self._others:
            return None
        special = {None: Query.NONE, _ABSENT: Query.NONE, **dict.fromkeys(_PRESENT, Query.ANY)}
        query = {
            key: [special.get(v, v) if isinstance(v, str | None) else v for v in labels]
            for key, labels in self._others.items()
        }
        try:
            return {Path(path) for path in layout.get(return_type="file", **query)}
        except (TypeError, ValueError) as error:  # pybids' wording for unknown entities
            raise _unusable(str(error)) from error


def _similar(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, list(known))
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _unusable(why: str) -> UsageError:
    return UsageError(
        f"the BIDS filter cannot be used: {why}",
        remedy="Use entity names such as acquisition, direction, run, session.",
    )
