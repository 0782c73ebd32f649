"""Images in the dwi folders of a dataset, listed without pybids."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from bids_sr.bids.invalid_names import looks_like_dwi


def list_images(root: Path, subjects: Collection[str] = ()) -> Iterator[Path]:
    """List what looks like a diffusion series, including hidden images and those one folder deeper.

    Parameters
    ----------
    root : pathlib.Path
        Top of a dataset.
    subjects : collection of str
        Labels; only their folders are looked into. Empty means all.

    Yields
    ------
    pathlib.Path
    """
    labels = sorted(f"sub-{label}" for label in subjects)
    for person in labels or (name for name in _names_in(root) if name.startswith("sub-")):
        visits = (name for name in _names_in(root / person) if name.startswith("ses-"))
        for folder in (root / person, *(root / person / visit for visit in visits)):
            yield from _images_in(folder / "dwi")


def is_hidden(image: Path) -> bool:
    """Return whether a file is hidden."""
    return image.name.startswith(".")


def _images_in(folder: Path) -> Iterator[Path]:
    for name in _names_in(folder):
        if looks_like_dwi(name):
            yield folder / name
        elif "." not in name:  # not an image: perhaps a folder
            yield from (folder / name / i for i in _names_in(folder / name) if looks_like_dwi(i))


def _names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; none if it cannot be listed."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []
