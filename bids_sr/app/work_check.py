"""Checks of the work folder against all other paths: what must not be deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.app.real_paths import are_one, lies_in, stations
from bids_sr.errors import UsageError
from bids_sr.resources import resource

if TYPE_CHECKING:
    from bids_sr.app.settings import Settings

OUTPUT = "the output folder"
"""Description of the output folder."""

_OWN_WORK = "bids_sr_work"
_LEVELS = 4
"""Levels of a dataset that are searched for links: participant, session, ``dwi``, file."""


def own_work_folder(given: Path) -> Path:
    """Return the path of this program's own folder in a work folder (``-w``)."""
    return given / _OWN_WORK


def sources(settings: Settings) -> list[Path]:
    """Return the input datasets."""
    return [settings.bids_dir, *(path for _, path in settings.derivatives)]


def check_work(settings: Settings, work: Path, named: Mapping[str, Path | None]) -> None:
    """Refuse a work folder in which files of others might be changed or deleted.

    Parameters
    ----------
    settings : Settings
        What was requested.
    work : pathlib.Path
        Its work folder.
    named : mapping of str to pathlib.Path or None
        As for `bids_sr.app.folder_checks.check_folders`.

    Raises
    ------
    UsageError
        If it lies in an input dataset or is the output folder; if our own folder in it holds any
        other path of the call; or if that is to be emptied and the work folder is, holds or lies in
        such a path. It may lie in the output folder.
    """
    for source in sources(settings):
        if lies_in(work, source):
            raise UsageError(
                f"is inside the input dataset {source}.",
                file=work,
                remedy="Give a work folder (-w) outside it.",
            )
    if are_one(work, settings.output_dir):
        raise UsageError(
            "is the output folder.", file=work, remedy="Give a work folder (-w) of its own."
        )
    own = own_work_folder(work)
    for what, path in _kept(settings, named):
        if lies_in(path, own):
            raise UsageError(
                f"holds {what} ({path}); bids-sr keeps its own files there.",
                file=own,
                remedy="Move it elsewhere, or give another work folder (-w).",
            )
        holds, inside = lies_in(path, work), lies_in(work, path) and what != OUTPUT
        if settings.clean_work_dir and (holds or inside):
            how = "is or holds" if holds else "lies in"
            raise UsageError(
                f"{how} {what} ({path}), so --clean-workdir is refused.",
                file=work,
                remedy="Give a work folder (-w) of its own, or leave out --clean-workdir.",
            )


def _kept(settings: Settings, named: Mapping[str, Path | None]) -> Iterator[tuple[str, Path]]:
    """Yield what must not be deleted, and its locations, including those behind links."""
    for what, path in {**named, "the networks of this program": resource("models")}.items():
        if path is not None:
            yield from ((what, place) for place in stations(path))
    if settings.model is not None:
        for file in Path(settings.model).glob("*"):
            yield from (("the network", place) for place in stations(file))
    if settings.clean_work_dir:
        for source in sources(settings):
            for link in _links(source, settings.participants):
                # paths inside the dataset are covered by it
                outside = (one for one in stations(link) if not one.is_relative_to(source))
                yield from (("the input dataset", place) for place in outside)


def _links(source: Path, participants: Sequence[str]) -> Iterator[Path]:
    """Yield the links among the folders and diffusion files of participants."""
    wanted = {f"sub-{label}" for label in participants}
    level = [source]
    for depth in range(_LEVELS):
        found = [one for folder in level for one in _entries(folder)]
        if depth == 0 and wanted:
            found = [one for one in found if one.name in wanted or not one.name.startswith("sub-")]
        yield from (Path(one) for one in found if one.is_symlink())
        level = [
            Path(one)
            for one in found
            if (one.name.startswith(("sub-", "ses-")) or one.name == "dwi") and one.is_dir()
        ]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
