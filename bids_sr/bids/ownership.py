"""Ownership of the output folder: files of other programs are never changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bids_sr.errors import UsageError

NAME = "bids_sr"
"""Our name in ``GeneratedBy``."""
DESCRIPTION = "dataset_description.json"
_GENERATOR = f'<meta name="generator" content="{NAME} '.encode()
"""In the head of every page that this program writes."""
_BEGINNING = b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n' + _GENERATOR
"""How such a page begins: identifies one that was truncated before the mark."""
_HEAD = 4096
"""Bytes of a page in which the mark is searched; older versions had it further down."""
_OURS = re.compile(
    rf"_res-[A-Za-z0-9+]*x[23]_|_desc-input_dwimap\.|_desc-(methods|manifest)\.|^niivue[-.]|^\.tmp-|^\.{NAME}-"
)
"""Names of files that this program writes into the folders of participants."""
_FOLDERS = ("dwi", "anat", "func", "fmap", "figures")
"""Names of subfolders of a participant: their parent is not a dataset."""


def read_description(folder: Path) -> dict[str, Any] | None:
    """Read the description of a derivative dataset.

    Parameters
    ----------
    folder : pathlib.Path
        Its top folder.

    Returns
    -------
    dict or None
        None if there is none.

    Raises
    ------
    UsageError
        If it cannot be read, or describes a dataset that is not a derivative.
    """
    path = folder / DESCRIPTION
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if not path.is_symlink():
            return None
        raise UsageError(
            "is a link whose target does not exist, so it is unknown which program wrote this"
            " folder.",
            file=path,
            remedy="Get its content (datalad get), or choose another output folder.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"cannot be read as JSON ({error}).",
            file=path,
            remedy="Repair or remove it, or choose another output folder.",
        ) from error
    if not isinstance(content, dict) or content.get("DatasetType") != "derivative":
        raise UsageError(
            "does not describe a derivative dataset.",
            file=path,
            remedy=f"Choose an output folder of its own, such as {folder / 'derivatives' / NAME}.",
        )
    return content


def entries(description: Mapping[str, Any]) -> list[Any]:
    """Return the entries of ``GeneratedBy``, which may be a list or a single entry.

    Before BIDS 1.4 the field was ``PipelineDescription``.
    """
    for key in ("GeneratedBy", "PipelineDescription"):
        if said := description.get(key):
            return list(said) if isinstance(said, list) else [said]
    return []


def maker(entry: Any) -> str:
    """Return the name of the program in an entry of ``GeneratedBy``; empty if it has none.

    Examples
    --------
    >>> maker({"Name": "QSIPrep", "Version": "1.0.2"}), maker("fmriprep"), maker(3)
    ('QSIPrep', 'fmriprep', '')
    """
    name = entry.get("Name") if isinstance(entry, dict) else entry
    return name.strip() if isinstance(name, str) else ""


def makers(description: Mapping[str, Any]) -> list[str]:
    """Return the names of the programs that made a dataset, without duplicates."""
    return list(dict.fromkeys(name for e in entries(description) if (name := maker(e))))


def is_us(name: str) -> bool:
    """Return whether a name is that of this program."""
    return name.lower().replace("-", "_") == NAME


def check_owner(folder: Path) -> list[str]:
    """Refuse an output folder that another program wrote.

    Parameters
    ----------
    folder : pathlib.Path
        Need not exist.

    Returns
    -------
    list of str
        Other programs named as well as this one: older versions did not refuse to write into their
        folders.

    Raises
    ------
    UsageError
        If its description is not that of a derivative, or names other programs and not this one; or
        if there are participants' files of others and no description of ours.
    """
    if not folder.is_dir():
        return []
    names = makers(read_description(folder) or {})
    others = [name for name in names if not is_us(name)]
    if len(others) < len(names):
        return others
    if others:
        problem = (
            f"belongs to {', '.join(others)} (see its {DESCRIPTION}); outputs would be mixed up."
        )
    elif strange := next(_strangers(folder), None):
        problem = f"holds {strange}, and no {DESCRIPTION} says that {NAME} wrote it."
    else:
        return []
    own = folder / NAME
    remedy = f"Give an output folder of its own, such as {own}."
    raise UsageError(problem, file=folder, remedy=remedy)


def check_pages(folder: Path, subjects: Collection[str], *, shared: bool) -> None:
    """Refuse an output folder with other programs' pages where this program would write its own.

    Parameters
    ----------
    folder : pathlib.Path
        Need not exist.
    subjects : collection of str
        Participants, without ``sub-``, whose pages will be written; none means all.
    shared : bool
        Other programs write into the folder, too.

    Raises
    ------
    UsageError
        As `check_page`.
    """
    names = [f"sub-{label}.html" for label in subjects] or sorted(
        path.name for path in folder.glob("sub-*.html")
    )
    for name in names:
        check_page(folder / name, through_links=shared)


def check_page(path: Path, *, through_links: bool = False) -> None:
    """Refuse to replace another program's page.

    Parameters
    ----------
    path : pathlib.Path
        Need not exist. An empty file belongs to no program.
    through_links : bool
        A link to another program's page is refused as well, since other programs write here, too.
        Otherwise it may be replaced, which leaves its target as it is.

    Raises
    ------
    UsageError
        If it belongs to another program.
    """
    if not os.path.lexists(path) or (path.is_symlink() and not through_links):
        return
    if not is_our_page(path):
        raise UsageError(
            f"was not written by {NAME}, which would write a page under this name.",
            file=path,
            remedy="Choose another output folder, or move the page away.",
        )


def is_our_page(path: Path) -> bool:
    """Return whether a page is this program's, even if damaged, or empty."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return _GENERATOR in head or _BEGINNING.startswith(head)


def _strangers(folder: Path) -> Iterator[str]:
    """Yield names of participants' files in a folder that another program wrote."""
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(("sub-", "ses-")) and path.name not in _FOLDERS:
            continue
        if path.is_dir():
            for root, _, files in os.walk(path):
                yield from (
                    str(Path(root, name).relative_to(folder))
                    for name in files
                    if not _OURS.search(name)
                )
        elif path.suffix != ".html" or not is_our_page(path):
            yield path.name
