"""The recipe of a layer study: what it trains and scores, from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen

from bids_sr.bids.file_kind import TEXT, refuse_foreign
from bids_sr.errors import UsageError
from bids_sr.training.settings import TrainingSettings

NUMBERS = {1: "relu1_2", 2: "relu2_2", 3: "relu3_3", 4: "relu4_3", 5: "relu5_3"}
"""Layers of VGG16 by their number in recipes and tables."""


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _layers(values: Iterable[int]) -> tuple[int, ...]:
    layers = tuple(int(value) for value in values)
    if not set(layers) <= set(NUMBERS):
        raise ValueError(f"layers are numbered 1 to 5, not {list(layers)}")
    return layers


def _combinations(values: Iterable[Iterable[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(_layers(value) for value in values)


def _numbers(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


@frozen
class Data:
    """Scans for training and scoring."""

    train: tuple[str, ...] = field(converter=_texts)
    """Training participants; if empty, all that are not in `test`."""
    test: tuple[str, ...] = field(converter=_texts)
    """Held-out participants, all of whose runs are scored."""
    train_limit: int = 0
    """Maximum number of training scans; 0 for all of `train`."""
    degradation: str = "kspace"
    """How low-resolution slices are made."""
    every: int = 1
    """Step between the scored slices of the held-out scans."""
    rim: int = 2
    """In-plane erosion of the brain mask, voxels."""


@frozen
class Transfer:
    """Networks of factor 3 that start from the weights of factor 2."""

    rows: tuple[tuple[int, ...], ...] = field(default=(), converter=_combinations)
    """Layers of each row; an empty list means L1 alone."""
    training: Mapping[str, Any] = field(factory=dict)
    """Training settings that differ from those of all rows."""


@frozen
class Noise:
    """Networks trained and scored on scans with added noise."""

    sigma: tuple[float, ...] = field(default=(), converter=_numbers)
    """Standard deviations per real and imaginary part, in units of the run's intensity
    scale (the bright tissue of its first b0)."""
    layers: tuple[int, ...] = field(default=(), converter=_layers)
    """Layers; one network is trained for each combination of noise level and layer."""


@frozen
class Extra:
    """A row that is in none of the tables of the paper."""

    name: str
    """Name of the row."""
    layers: tuple[int, ...] = field(converter=_layers)
    """Its layers."""
    scale: float = 1.0
    """Factor of the weights of its layers."""
    training: Mapping[str, Any] = field(factory=dict)
    """Training settings that differ from those of all rows."""


@frozen
class Recipe:
    """A whole study."""

    title: str
    """Title."""
    data: Data
    """Scans."""
    weights: Mapping[int, float]
    """Weight of each layer's feature term."""
    training: Mapping[str, Any]
    """Training settings of all rows, by the names of `TrainingSettings`."""
    l1: bool = True
    """Whether there is a row without feature loss."""
    ablation: tuple[tuple[int, ...], ...] = field(default=(), converter=_combinations)
    """Layers of each row of the ablation."""
    isolation: tuple[int, ...] = field(default=(), converter=_layers)
    """Layers that have a row of their own."""
    transfer: Transfer = field(factory=Transfer)
    """Rows of factor 3."""
    noise: Noise = field(factory=Noise)
    """Noise rows."""
    extra: tuple[Extra, ...] = ()
    """Other rows, such as those on the mechanism."""


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    path : pathlib.Path
        TOML; see ``examples/study``.

    Returns
    -------
    Recipe

    Raises
    ------
    UsageError
        If it cannot be read, or has unknown entries.
    """
    refuse_foreign(path, TEXT, UsageError)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        recipe = _recipe(content)
        for overrides in _overrides(recipe):
            _check_training({**recipe.training, **overrides})
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror}).", file=path) from error
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise UsageError(
            f"is not a recipe ({error}).", file=path, remedy="Compare it with examples/study."
        ) from error
    return recipe


def _recipe(content: dict[str, Any]) -> Recipe:
    rows = dict(content.pop("rows", {}))
    parts: dict[str, Any] = {
        "title": content.pop("title", "Layer study"),
        "data": _make(Data, content.pop("data", {}), "data"),
        "weights": _weights(content.pop("weights", {})),
        "training": content.pop("training", {}),
        "transfer": _make(Transfer, rows.pop("transfer", {}), "rows.transfer"),
        "noise": _make(Noise, rows.pop("noise", {}), "rows.noise"),
        "extra": tuple(_make(Extra, each, "rows.extra") for each in rows.pop("extra", [])),
    }
    _refuse(content, (), "the recipe")
    simple = ("l1", "ablation", "isolation")
    _refuse(rows, simple, "rows")
    recipe = Recipe(**parts, **rows)
    for layer in {n for combination in _all_layers(recipe) for n in combination}:
        if layer not in recipe.weights:
            raise ValueError(f"weights lacks {NUMBERS[layer]}")
    return recipe


def _weights(given: Mapping[str, float]) -> dict[int, float]:
    _refuse(given, tuple(NUMBERS.values()), "weights")
    return {n: float(given[layer]) for n, layer in NUMBERS.items() if layer in given}


def _all_layers(recipe: Recipe) -> list[tuple[int, ...]]:
    return [
        *recipe.ablation,
        recipe.isolation,
        *recipe.transfer.rows,
        recipe.noise.layers,
        *(extra.layers for extra in recipe.extra),
    ]


def _overrides(recipe: Recipe) -> list[Mapping[str, Any]]:
    return [{}, recipe.transfer.training, *(extra.training for extra in recipe.extra)]


def _check_training(given: Mapping[str, Any]) -> None:
    # settings determined by the rows are not allowed in the recipe
    own = {"factor", "layers", "init_from", "degradation", "zero_filled", "coarsening", "subset"}
    names = {attribute.name for attribute in fields(TrainingSettings)} - own
    _refuse(given, tuple(names), "training")
    TrainingSettings(**given)


def _make(kind: Any, given: Mapping[str, Any], where: str) -> Any:
    _refuse(given, tuple(attribute.name for attribute in kind.__attrs_attrs__), where)
    return kind(**given)


def _refuse(given: Iterable[str], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{where} knows no {', '.join(unknown)}")
