"""The BIDS inheritance principle: which bval, bvec and JSON files apply to an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bids_sr.bids.dwi_run import Problem
from bids_sr.bids.json_file import read_json
from bids_sr.bids.names import parse_entities, parse_name

_REPAIR = "Correct it ('python -m json.tool FILE' says where), or convert it again."


def by_folder(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """Sort files into their folders."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        folders[path.parent].append(path)
    return dict(folders)


def applicable(image: Path, folders: Mapping[Path, Sequence[Path]], extension: str) -> list[Path]:
    """Return the files that apply to `image`, the nearest one last.

    A file applies if it lies in the image's folder or above, has the same suffix and no entity that
    the image lacks or labels differently. pybids' ``get_nearest`` also takes files with further
    entities (the bval of ``acq-AP`` for an image without ``acq``), which BIDS forbids. Files whose
    names do not follow BIDS never apply.

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
        By folder from the top down, in one folder by number of entities; see `ambiguity`.
    """
    own = parse_name(image.name)
    if own is None:
        return []
    matches = [
        path
        for folder in image.parents
        for path in folders.get(folder, ())
        if path.name.endswith(extension)
        and (parsed := parse_name(path.name)) is not None
        and (parsed.suffix, parsed.extension) == (own.suffix, extension)
        and parsed.entities.items() <= own.entities.items()
    ]
    return sorted(
        matches,
        key=lambda path: (len(path.parts), len(parse_entities(path.name)), path.name),
    )


def ambiguity(image: Path, found: Sequence[Path]) -> Problem | None:
    """Find out whether it is ambiguous which of the files that apply to an image is meant.

    BIDS allows one at each level. Where one of two has all entities of the other and more, it is
    clear which one counts; otherwise it is not.

    Parameters
    ----------
    image : pathlib.Path
    found : sequence of pathlib.Path
        In the order of `applicable`.

    Returns
    -------
    Problem or None
        It names both files.
    """
    for first, second in pairwise(found):
        fewer, more = (parse_entities(path.name).items() for path in (first, second))
        if first.parent == second.parent and not fewer < more:
            return Problem(
                first,
                f"and {second.name} next to it both apply to {image.name}: it is unclear which is"
                " meant.",
                "Remove or rename one of them: BIDS allows one at each level.",
            )
    return None


def merge_sidecars(sidecars: Iterable[Path]) -> tuple[dict[str, Any], Problem | None]:
    """Merge JSON sidecars; later ones take precedence.

    Parameters
    ----------
    sidecars : iterable of pathlib.Path

    Returns
    -------
    metadata : dict
    problem : Problem or None
        The first file that could not be read.
    """
    metadata: dict[str, Any] = {}
    for path in sidecars:
        try:
            content = read_json(path)
        except (OSError, ValueError) as error:
            return metadata, Problem(path, f"cannot be read as JSON ({error}).", _REPAIR)
        if not isinstance(content, dict):
            return metadata, Problem(path, "does not hold a JSON object.", _REPAIR)
        metadata.update(content)
    return metadata, None
