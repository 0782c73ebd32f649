"""The BIDS inheritance principle: which bval, bvec and JSON files apply to an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_sr.bids.json_file import read_json
from bids_sr.bids.names import parse_entities, parse_suffix


def by_folder(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """Sort files into their folders."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        folders[path.parent].append(path)
    return dict(folders)


def applicable(image: Path, folders: Mapping[Path, Sequence[Path]], extension: str) -> list[Path]:
    """Return the files that apply to `image`, the nearest one last.

    A file applies if it lies in the image's folder or above, has the same
    suffix and no entity that the image lacks or labels otherwise. pybids'
    ``get_nearest`` also takes files with further entities (the bval of
    ``acq-AP`` for an image without ``acq``), which BIDS forbids.

    Parameters
    ----------
    image : pathlib.Path
    folders : mapping
        Files of the dataset as `by_folder` returns them.
    extension : str
        With its dot.

    Returns
    -------
    list of pathlib.Path
        By folder from the top down, in one folder by number of entities.
    """
    own = parse_entities(image.name).items()
    suffix = parse_suffix(image.name)
    matches = [
        path
        for folder in image.parents
        for path in folders.get(folder, ())
        if path.name.endswith(extension)
        and parse_suffix(path.name) == suffix
        and parse_entities(path.name).items() <= own
    ]
    return sorted(
        matches,
        key=lambda path: (len(path.parts), len(parse_entities(path.name)), path.name),
    )


def merge_sidecars(sidecars: Iterable[Path]) -> tuple[dict[str, Any], tuple[Path, str] | None]:
    """Merge JSON sidecars, later ones winning.

    Parameters
    ----------
    sidecars : iterable of pathlib.Path

    Returns
    -------
    metadata : dict
    problem : tuple of (pathlib.Path, str) or None
        The first file that could not be read, and why.
    """
    metadata: dict[str, Any] = {}
    for path in sidecars:
        try:
            content = read_json(path)
        except (OSError, ValueError) as error:
            return metadata, (path, f"cannot be read as JSON ({error}).")
        if not isinstance(content, dict):
            return metadata, (path, "does not hold a JSON object.")
        metadata.update(content)
    return metadata, None
