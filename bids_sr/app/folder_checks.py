"""Checks of input, output and work folder against each other, before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.app.real_paths import are_one, lies_in
from bids_sr.app.work_check import check_work, sources
from bids_sr.bids.older_outputs import check_version
from bids_sr.bids.ownership import (
    DESCRIPTION,
    NAME,
    check_owner,
    check_page,
    check_pages,
    is_us,
    makers,
    read_description,
)
from bids_sr.errors import UsageError

if TYPE_CHECKING:
    from bids_sr.app.settings import Settings

_RESERVED = ("sourcedata", "code", "stimuli", "phenotype", ".git", ".datalad")
"""Folders of a BIDS dataset, besides those of participants, that must not hold output."""


def check_folders(settings: Settings, named: Mapping[str, Path | None]) -> None:
    """Refuse folders that do not exist, or in which files of others might be changed.

    Parameters
    ----------
    settings : Settings
        What was requested.
    named : mapping of str to pathlib.Path or None
        All paths on the command line that are only read or must not be deleted, as given, by
        description.

    Raises
    ------
    UsageError
        For the first problem found.
    """
    _check_input(settings)
    _check_output(settings)
    if settings.work_dir is not None:
        check_work(settings, settings.work_dir, named)


def _check_input(settings: Settings) -> None:
    reads_input = settings.level == "participant" and not settings.reports_only
    if reads_input and not settings.bids_dir.is_dir():
        raise UsageError(
            "is not a folder.",
            file=settings.bids_dir,
            remedy="Give the BIDS dataset as first argument.",
        )
    for name, path in settings.derivatives:
        if not path.is_dir():
            raise UsageError(
                f"is not a folder (derivatives '{name}').",
                file=path,
                remedy="Correct --derivatives.",
            )


def _check_output(settings: Settings) -> None:
    out = settings.output_dir
    if out.exists() and not out.is_dir():
        raise UsageError("is a file.", file=out, remedy="Give a folder as second argument.")
    if settings.level == "participant" and any(are_one(out, one) for one in sources(settings)):
        raise UsageError(
            "is both input and output.",
            file=out,
            remedy="Give another output folder, for example "
            f"{settings.bids_dir}/derivatives/bids_sr.",
        )
    others = check_owner(out)
    _check_surroundings(out, sources(settings))
    if settings.level == "group":
        check_page(out / "group_dwi.html", through_links=bool(others))
        return
    check_pages(out, settings.participants, shared=bool(others))
    _check_linked_folders(out, settings)
    if not settings.reports_only and not settings.boilerplate_only:
        check_version(out, settings.participants)


def _check_surroundings(out: Path, inputs: Sequence[Path]) -> None:
    """Refuse an output folder inside a participant's folder or another reserved folder of BIDS."""
    for folder in out.parents:
        if not (folder / DESCRIPTION).is_file() and folder not in inputs:
            continue
        first = out.relative_to(folder).parts[0]
        of_hcp = (folder / first / "T1w").is_dir()
        if first.startswith("sub-") or first in _RESERVED or of_hcp:
            raise UsageError(
                f"is inside {first} of the dataset {folder}.",
                file=out,
                remedy=f"Give another output folder, such as {folder / 'derivatives' / NAME}.",
            )


def _check_linked_folders(out: Path, settings: Settings) -> None:
    """Refuse participants' folders that are links into a dataset of another program.

    Other links to folders are followed: a participant may lie on another disk.
    """
    for link in _folder_links(out, settings.participants):
        target = link.resolve()
        if not target.is_dir():
            raise UsageError(
                f"is a link to {target}, which is not a folder.",
                file=link,
                remedy="Remove the link.",
            )
        if lies_in(target, out):
            continue
        owner = next((f for f in sources(settings) if lies_in(target, f)), None)
        owner = owner or next((f for f in target.parents if _is_strange(f)), None)
        if owner is not None:
            raise UsageError(
                f"is a link into the dataset {owner}, which would be written to.",
                file=link,
                remedy="Remove the link, or give another output folder.",
            )


def _folder_links(out: Path, participants: Sequence[str]) -> Iterator[Path]:
    wanted = {f"sub-{label}" for label in participants}
    for top in _folders(out):
        if top.name == "logs" or (
            top.name.startswith("sub-") and top.name in (wanted or {top.name})
        ):
            folders = [top, *_folders(top)]
            folders += [inner for one in folders[1:] for inner in _folders(one)]
            yield from (Path(one) for one in folders if one.is_symlink())


def _folders(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """Return the subfolders and links in a folder; none if it is itself a link."""
    try:
        if Path(folder).is_symlink():
            return []
        with os.scandir(folder) as found:
            return [one for one in found if one.is_dir() or _is_lost(one)]
    except OSError:
        return []


def _is_lost(entry: os.DirEntry[str]) -> bool:
    """Return whether it is a broken link in place of a folder, judging by the missing suffix."""
    return entry.is_symlink() and "." not in entry.name and not Path(entry).exists()


def _is_strange(folder: Path) -> bool:
    """Return whether a folder is a dataset that this program did not write."""
    if not (folder / DESCRIPTION).is_file():
        return False
    try:
        names = makers(read_description(folder) or {})
    except UsageError:
        return True
    return not any(map(is_us, names))
