"""The list of a run's pictures, stored next to them as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, field, fields, frozen
from attrs.validators import gt, in_, instance_of

from bids_sr.bids.atomic import write_json

COMPARE, IMAGE = "compare", "image"
OVERVIEW = "Side by side"
"""Section of the pictures that come first."""
GRADIENT_TABLE = "Gradient table"
"""Section of the picture of a gradient table that does not fit."""
DETAIL = "detail"
"""Title of the region to magnify."""


@frozen
class Place:
    """A rectangle of a picture that can be shown on its own."""

    title: str = field(validator=instance_of(str))
    """Its label: ``slice k = 41``."""
    x: int = field(validator=instance_of(int))
    """Left edge, pixels."""
    y: int = field(validator=instance_of(int))
    """Upper edge, pixels."""
    width: int = field(validator=[instance_of(int), gt(0)])
    """Picture elements."""
    height: int = field(validator=[instance_of(int), gt(0)])
    """Picture elements."""


def _places(value: Any) -> tuple[Place, ...]:
    return tuple(one if isinstance(one, Place) else Place(**one) for one in value)


@frozen
class Picture:
    """One picture, or a pair of the same size to compare."""

    kind: str = field(validator=in_((COMPARE, IMAGE)))
    """``compare`` for a pair, ``image`` for one."""
    section: str = field(validator=instance_of(str))
    """Heading under which it is shown."""
    title: str = field(validator=instance_of(str))
    """One line."""
    alt: str = field(validator=instance_of(str))
    """Alternative text."""
    caption: str = field(validator=instance_of(str))
    """How to read it."""
    width: int = field(validator=instance_of(int))
    """Picture elements."""
    height: int = field(validator=instance_of(int))
    """Picture elements."""
    image: str = field(default="", validator=instance_of(str))
    """File name, of kind ``image``; files are in the folder of the index."""
    before: str = field(default="", validator=instance_of(str))
    """File name, of kind ``compare``."""
    after: str = field(default="", validator=instance_of(str))
    """File name, of kind ``compare``."""
    before_label: str = field(default="before", validator=instance_of(str))
    """Label of the first of a pair."""
    after_label: str = field(default="after", validator=instance_of(str))
    """Label of the second of a pair."""
    tab: str = field(default="", validator=instance_of(str))
    """Name in the linked viewer; empty if the picture stands alone. All pictures of
    the linked viewer share their size and regions."""
    places: tuple[Place, ...] = field(default=(), converter=_places)
    """Its slices and the magnified detail, for the linked viewer."""

    @property
    def files(self) -> tuple[str, ...]:
        """The file names it needs."""
        return (self.before, self.after) if self.kind == COMPARE else (self.image,)


@frozen
class PictureIndex:
    """All pictures of a run, and the network that made it."""

    pictures: tuple[Picture, ...] = ()
    """In the order of the page."""
    model: Mapping[str, Any] = field(factory=dict)
    """Content of the model card."""
    lost: tuple[str, ...] = ()
    """What is missing, as sentences."""


def write_index(path: Path, pictures: Sequence[Picture], model: Mapping[str, Any]) -> None:
    """Write the index of a run's pictures.

    Parameters
    ----------
    path : pathlib.Path
        ``..._desc-index_dwi.json`` in the folder of the pictures.
    pictures : sequence of Picture
    model : mapping
        JSON content of the model card.
    """
    write_json(path, {"figures": [asdict(p) for p in pictures], "model": dict(model)})


def read_index(path: Path) -> PictureIndex:
    """Read an index; damaged or missing parts are reported in it, not raised.

    A picture is taken only if its files lie in the folder of the index.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    PictureIndex
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        listed, model = content["figures"], content["model"]
    except FileNotFoundError:
        return PictureIndex(lost=("No pictures were made for this run.",))
    except (OSError, ValueError, KeyError, TypeError):
        return PictureIndex(lost=(f"The list of pictures, {path.name}, cannot be read.",))
    pictures, lost = [], []
    for item in listed if isinstance(listed, list) else []:
        picture = _picture(item)
        if picture is None:
            lost.append(f"An entry of {path.name} is no picture.")
        elif all(_lies_in(path.parent, name) for name in picture.files):
            pictures.append(picture)
        else:
            lost.append(f"A file of the picture '{picture.title}' is missing.")
    model = model if isinstance(model, dict) else {}
    return PictureIndex(tuple(pictures), model, tuple(lost))


def _picture(item: Any) -> Picture | None:
    known = {attribute.name for attribute in fields(Picture)}
    try:
        return Picture(**{key: value for key, value in item.items() if key in known})
    except (AttributeError, TypeError, ValueError):
        return None


def _lies_in(folder: Path, name: str) -> bool:
    """Return whether `name` is a plain file name in `folder`, neither a path nor a URL."""
    return name not in ("", ".", "..") and Path(name).name == name and (folder / name).is_file()
