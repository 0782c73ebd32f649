"""Model cards: identity, training data and performance of pretrained networks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from bids_sr.bids.atomic import write_json
from bids_sr.bids.file_kind import JSON, OTHER, refuse_foreign
from bids_sr.errors import ModelError
from bids_sr.networks.channels import CHANNELS

_RUN = re.compile(r"sub-[A-Za-z0-9+]+(_[a-z]+-[A-Za-z0-9+]+)*")
"""Label of a run: BIDS entities only."""
CARD = "card.json"
WEIGHTS = "weights.safetensors"
INPUT_RULES = ("series", "paper")
"""What an input intensity of 1 stands for: bright tissue in the run's b0 (`series`), or the
maximum of the whole scan (`paper`)."""


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


def _whole_numbers(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(values)


def _sizes(values: Iterable[Iterable[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(size) for size in values)


def known_channels(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    """Raise ValueError, as attrs validators do, unless the channels are known and in order."""
    if not value or value[0] != "dwi" or not set(value) <= set(CHANNELS):
        raise ValueError(f"channels must start with 'dwi' and be among {CHANNELS}, not {value}")


def _names_a_class(_instance: object, _attribute: object, value: object) -> None:
    if not isinstance(value, Mapping) or "class" not in value:
        raise ValueError(f"architecture must name a class, not be {value!r}")


def _channels_of_its_class(instance: ModelCard, attribute: object, value: tuple[str, ...]) -> None:
    if not instance.sees_series:
        known_channels(instance, attribute, value)
    elif value:
        raise ValueError(f"a network for the series has no channels, not {value}")


def _known_factor(_instance: object, _attribute: object, value: int) -> None:
    if value not in (2, 3):
        raise ValueError(f"factor must be 2 or 3, not {value}")


def _known_rule(_instance: object, _attribute: object, value: str) -> None:
    if value not in INPUT_RULES:
        raise ValueError(f"input_rule must be one of {INPUT_RULES}, not {value!r}")


def _a_price(_instance: object, _attribute: object, value: Any) -> None:
    if value is None:
        return
    told = dict(value) if isinstance(value, Mapping) else {}
    numbers = [told.get(key) for key in ("from_mm", "to_mm", "b0", "mean", "l2")]
    if set(told) != {"from_mm", "to_mm", "b0", "mean", "l2"} or not all(
        number is None or _is_number(number) for number in numbers
    ):
        raise ValueError(
            f"extrapolation must give from_mm, to_mm, b0, mean and l2 as numbers, not {value!r}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@frozen
class ModelCard:
    """Description of a pretrained network, as stored in ``card.json``."""

    name: str
    """Name for ``--model``: the name of its folder."""
    factor: int = field(validator=_known_factor)
    """In-plane factor."""
    degradation: str
    """Degradation that produced its low-resolution training slices: kspace, kspace-tukey, box or
    resize-cubic; several are joined by +."""
    architecture: Mapping[str, Any] = field(validator=_names_a_class)
    """Class name (``"class"``) and keyword arguments of the network."""
    sha256: str
    """SHA-256 checksum of ``weights.safetensors``."""
    voxel_sizes_mm: tuple[tuple[float, ...], ...] = field(converter=_sizes)
    """Low-resolution voxel sizes seen in training: (in-plane, in-plane, slice) per scan."""
    b_values: tuple[int, ...] = field(converter=_whole_numbers)
    """b-values seen in training, s/mm2."""
    data: tuple[str, ...] = field(converter=_texts)
    """Training scans and data credits."""
    licence: str
    """Licence of the weights."""
    seed: int
    """Seed of the training."""
    command: str
    """Command that trained the network or, for staged training, ran its last stage."""
    commit: str
    """Commit of this project used for the training."""
    loss: str
    """Description of the loss."""
    figures: Mapping[str, Any]
    """Measured metrics and the scan they were measured on."""
    channels: tuple[str, ...] = field(
        default=(), converter=_texts, validator=_channels_of_its_class
    )
    """Input channels, in order (see `bids_sr.networks.channels`); empty for series networks, whose
    input is fixed (`bids_sr.networks.series_parts`)."""
    snr_b0: tuple[float, ...] | None = None
    """Smallest and largest signal-to-noise ratio of the b0s seen in training, if known."""
    input_rule: str = field(default="series", validator=_known_rule)
    """Intensity scaling, one of `INPUT_RULES`."""
    earlier_commands: tuple[str, ...] = field(default=(), converter=_texts)
    """Commands of earlier training stages, in order, if it started from another model's weights."""
    limitations: tuple[str, ...] = field(default=(), converter=_texts)
    """Known limitations of the network or its training, as full sentences."""
    extrapolation: Mapping[str, float | None] | None = field(default=None, validator=_a_price)
    """Measured cost of going from voxels of ``from_mm``, the finest of a training, to ``to_mm``:
    increase in the unexplained detail of the b0s (``b0``), of the mean over directions (``mean``)
    and of the differences between directions (``l2``; None: not measurable). Measured with small
    x2 networks (docs/method.md, "What was tried"), if known."""
    folder: Path = field(default=Path(), eq=False)
    """Model folder."""

    @property
    def weights(self) -> Path:
        """Path of the weights file."""
        return self.folder / WEIGHTS

    @property
    def sees_series(self) -> bool:
        """Whether it reads a slice once per shell instead of once per volume."""
        return bool(self.architecture.get("class") == "SeriesNetwork")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON content of the card."""
        content = asdict(self)
        del content["folder"]
        for name in ("channels", "snr_b0", "earlier_commands", "limitations", "extrapolation"):
            if not content[name]:
                del content[name]
        return content

    def save(self, folder: Path) -> None:
        """Write ``card.json`` into `folder`."""
        write_json(folder / CARD, self.to_dict())


def read_card(folder: Path) -> ModelCard:
    """Read the card of a model folder.

    Parameters
    ----------
    folder : pathlib.Path
        Folder with ``card.json`` and ``weights.safetensors``.

    Returns
    -------
    ModelCard

    Raises
    ------
    ModelError
        If a file is missing or the card is incomplete.
    """
    for name, kind in ((CARD, JSON), (WEIGHTS, OTHER)):
        if (folder / name).exists() or (folder / name).is_symlink():
            refuse_foreign(folder / name, kind, ModelError)
        if not (folder / name).is_file():
            raise ModelError(
                f"there is no {name} in it.",
                file=folder,
                remedy="A model folder holds card.json and weights.safetensors.",
            )
    try:
        content = json.loads((folder / CARD).read_text(encoding="utf-8"))
        return ModelCard(**content, folder=folder)
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"is not a model card ({error}).",
            file=folder / CARD,
            remedy="Compare it with a card in models/.",
        ) from error


def trained_on(data: Iterable[str]) -> tuple[int, int]:
    """Count the participants and runs a network was trained on.

    Parameters
    ----------
    data : iterable of str
        Entries of a model card: run labels, and credits as free text.

    Returns
    -------
    people, runs : int

    Examples
    --------
    >>> trained_on(["sub-01_acq-AP", "sub-01_acq-PA", "sub-02", "sub-02: somebody, CC0"])
    (2, 3)
    """
    runs = {text for text in data if _RUN.fullmatch(str(text))}
    return len({run.split("_")[0] for run in runs}), len(runs)


def checksum(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
