"""The networks to train, from a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from bids_sr.study.recipe import NUMBERS, Recipe
from bids_sr.training.settings import TrainingSettings

ABLATION, ISOLATION, TRANSFER, NOISE, EXTRA = (
    "ablation",
    "isolation",
    "transfer",
    "noise",
    "mechanism",
)
"""Tables of the study."""


@frozen
class Row:
    """One network of the study."""

    name: str
    """Name of its folder."""
    tables: tuple[str, ...]
    """Tables that list it."""
    layers: tuple[int, ...]
    """Layers of its feature loss, as numbered in `NUMBERS`; empty for L1 alone."""
    settings: TrainingSettings
    """Training settings, with ``init_from`` not yet set."""
    noise: float = 0.0
    """Noise added to its scans."""
    start: str = ""
    """Row whose weights it starts from."""


def expand(recipe: Recipe) -> list[Row]:
    """List the rows of a recipe in training order.

    Parameters
    ----------
    recipe : Recipe
        The study.

    Returns
    -------
    list of Row
        Each name once: a row that belongs to two tables is trained once.
    """
    rows: list[Row] = []
    if recipe.l1:
        rows.append(_row(recipe, "l1", (ABLATION, ISOLATION), ()))
    rows += [_row(recipe, f"isolation-{n}", (ISOLATION,), (n,)) for n in recipe.isolation]
    rows += [_row(recipe, f"ablation-{_digits(c)}", (ABLATION,), c) for c in recipe.ablation]
    rows += [_extra(recipe, number) for number in range(len(recipe.extra))]
    rows += [_transfer(recipe, combination) for combination in recipe.transfer.rows]
    rows += [
        evolve(_row(recipe, f"noise{sigma:g}-{n}", (NOISE,), (n,)), noise=sigma)
        for sigma in recipe.noise.sigma
        for n in recipe.noise.layers
    ]
    return _each_once(rows)


def _row(
    recipe: Recipe,
    name: str,
    tables: tuple[str, ...],
    layers: tuple[int, ...],
    scale: float = 1.0,
    **changes: object,
) -> Row:
    weights = {NUMBERS[n]: scale * recipe.weights[n] for n in layers}
    given: dict[str, Any] = {**recipe.training, **changes, "layers": weights}
    settings = TrainingSettings(**given, degradation=recipe.data.degradation, subset=0)
    return Row(name, tables, layers, settings)


def _extra(recipe: Recipe, number: int) -> Row:
    extra = recipe.extra[number]
    return _row(recipe, extra.name, (EXTRA,), extra.layers, extra.scale, **extra.training)


def _transfer(recipe: Recipe, layers: tuple[int, ...]) -> Row:
    row = _row(
        recipe,
        f"transfer-x3-{_digits(layers) or 'l1'}",
        (TRANSFER,),
        layers,
        **{**recipe.transfer.training, "factor": 3},
    )
    start = "l1" if not layers else f"isolation-{layers[0]}"
    if len(layers) > 1:
        start = f"ablation-{_digits(layers)}"
    return evolve(row, start=start)


def _digits(layers: Iterable[int]) -> str:
    return "".join(str(n) for n in layers)


def _each_once(rows: Iterable[Row]) -> list[Row]:
    """Merge rows with equal training: the ablation's last is the isolation's first."""
    found: list[Row] = []
    for row in rows:
        twin = next(
            (
                r
                for r in found
                if (r.settings, r.noise, r.start) == (row.settings, row.noise, row.start)
            ),
            None,
        )
        if twin is None:
            found.append(row)
        else:
            found[found.index(twin)] = evolve(
                twin, tables=tuple(dict.fromkeys((*twin.tables, *row.tables)))
            )
    return found
