"""Figures of a study, from the small arrays saved with its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_sr.bids.atomic import atomic_path
from bids_sr.study.logs import Result, Results
from bids_sr.study.recipe import NUMBERS
from bids_sr.study.rows import ABLATION, EXTRA, ISOLATION, NOISE, TRANSFER, Row
from bids_sr.study.score import PERIOD_KEYS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_IMAGES = {"dwi": "DWI", "fa": "FA", "qa": "QA"}
_TOP = {"fa": 0.9, "qa": None, "dwi": None}
_COLOURS = ("#0b0b0b", "#4c72b0", "#55a868", "#ccb974", "#dd8452", "#c44e52", "#8172b3", "#937860")
_DPI = 100
_LARGE = 190_000
"""Bytes above which a figure is reduced to `_PALETTE` colours."""
_PALETTE = 160
_WIDEST = 1200
"""Pixels."""
_MOST = 10
"""Maximum rows per figure."""


def draw_all(rows: Sequence[Row], results: Results, folder: Path) -> list[Path]:
    """Draw the figures for the results available.

    Parameters
    ----------
    rows : sequence of Row
        Rows of the recipe.
    results : Results
        Their scores.
    folder : pathlib.Path
        Folder for the PNG files, ``study-*.png``.

    Returns
    -------
    list of pathlib.Path
    """
    drawn = []
    for table in (ABLATION, ISOLATION, EXTRA, TRANSFER, NOISE):
        baselines, shown = _shown(table, rows, results)
        for start in range(0, len(shown), _MOST):
            part = baselines + shown[start : start + _MOST]
            number = f"-{start // _MOST + 1}" if len(shown) > _MOST else ""
            kinds = {"crops": _crops, "lattice": _cells, "amplitude": _bars, "spectra": _spectra}
            for kind, draw in kinds.items():
                if kind != "spectra" or table in (ABLATION, ISOLATION):
                    drawn.append(_save(folder / f"study-{table}-{kind}{number}.png", draw(part)))
    return drawn


def _shown(
    table: str, rows: Sequence[Row], results: Results
) -> tuple[list[tuple[str, Result]], list[tuple[str, Result]]]:
    """Return titles and results of a figure: baselines, and rows."""
    chosen = [row for row in rows if table in row.tables and row.name in results.rows]
    if table == ABLATION:
        chosen.sort(key=lambda row: len(row.layers))
    if not chosen:
        return [], []
    place = f"-x{chosen[0].settings.factor}-noise{chosen[0].noise:g}"
    names = ("truth", "sinc") if table != NOISE else ("truth",)
    baselines = [
        (name, results.baselines[name + place])
        for name in names
        if name + place in results.baselines
    ]
    return baselines, [(title(row), results.rows[row.name]) for row in chosen]


def title(row: Row) -> str:
    """Return the short title of a row in figures."""
    if row.noise:
        return f"{NUMBERS[row.layers[0]]}\nnoise {row.noise:g}"
    if EXTRA in row.tables:
        return row.name
    if len(row.layers) == 1:
        return NUMBERS[row.layers[0]]
    return f"{{{','.join(map(str, row.layers))}}}" if row.layers else "L1"


@contextmanager
def _figure(
    columns: int, lines: int, height: float = 1.6, width: float = 1.45
) -> Iterator[tuple[Figure, Any]]:
    # the object interface, since pyplot keeps every figure in a global list
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns + 0.4, height * lines + 0.25), layout="constrained")
    FigureCanvasAgg(figure)
    yield figure, figure.subplots(lines, columns, squeeze=False)


def _crops(shown: Sequence[tuple[str, Result]]) -> Figure:
    return _maps(shown, "crop", lambda name, arrays: (0.0, _TOP[name] or _bright(arrays)))


def _cells(shown: Sequence[tuple[str, Result]]) -> Figure:
    """Draw the lattice cell, tiled 2 x 2, on a common scale."""
    return _maps(shown, "cell", lambda _name, arrays: (-_limit(arrays), _limit(arrays)), tile=2)


def _maps(shown: Sequence[tuple[str, Result]], kind: str, limits: Any, tile: int = 1) -> Figure:
    loaded = [(name, result.arrays) for name, result in shown]
    images = [i for i in _IMAGES if all(f"{kind}_{i}" in arrays for _, arrays in loaded)]
    with _figure(len(loaded), len(images)) as (figure, axes):
        for line, image in enumerate(images):
            arrays = [each[f"{kind}_{image}"].astype(np.float32) for _, each in loaded]
            low, high = limits(image, arrays)
            for axis, array, (name, _) in zip(axes[line], arrays, loaded, strict=True):
                axis.imshow(
                    np.tile(array, (tile, tile)),
                    cmap="gray" if kind == "crop" else "RdBu_r",
                    vmin=low,
                    vmax=high,
                    interpolation="nearest",
                )
                axis.set_xticks([])
                axis.set_yticks([])
                if line == 0:
                    axis.set_title(name, fontsize=7)
            extra = f"\n±{high:.2g} noise sd" if kind == "cell" else ""
            axes[line][0].set_ylabel(_IMAGES[image] + extra, fontsize=7)
    return figure


def _bright(arrays: Sequence[np.ndarray]) -> float:
    return float(np.percentile(arrays[0], 99.5))


def _limit(arrays: Sequence[np.ndarray]) -> float:
    return max(float(np.percentile(np.abs(array), 98)) for array in arrays) or 1.0


def _spectra(shown: Sequence[tuple[str, Result]]) -> Figure:
    """Draw the residual's spectra, each relative to its median, and the radial spectra below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.45 * len(shown) + 0.4, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, len(shown), height_ratios=(1, 1.7))
    below = figure.add_subplot(grid[1, :])
    for column, (name, result) in enumerate(shown):
        arrays = result.arrays
        spectrum = _halved(arrays["spectrum"].astype(np.float32))
        axis = figure.add_subplot(grid[0, column])
        half = 0.5
        axis.imshow(
            spectrum - np.median(spectrum),
            cmap="magma",
            vmin=-10,
            vmax=20,
            extent=(-half, half, half, -half),
            interpolation="nearest",
        )
        axis.set_title(name, fontsize=7)
        axis.set_xticks([])
        axis.set_yticks([])
        radial = arrays["radial"]
        frequency = (np.arange(radial.size) + 0.5) / (2 * radial.size)
        style = ":" if name in ("truth", "sinc") else "-"
        colour = _COLOURS[column % len(_COLOURS)]
        below.plot(frequency, radial, style, label=name, color=colour, linewidth=1.2)
    below.set_xlabel("spatial frequency, cycles per pixel", fontsize=8)
    below.set_ylabel("power of the DWIs, dB", fontsize=8)
    below.legend(fontsize=6, ncols=2)
    below.tick_params(labelsize=7)
    return figure


def _halved(image: np.ndarray) -> np.ndarray:
    """Return means of 2 x 2 pixels, for less noise and half the file size."""
    rows, columns = (n // 2 for n in image.shape)
    blocks = image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)
    halved: np.ndarray = blocks.mean(axis=(1, 3))
    return halved


def _bars(shown: Sequence[tuple[str, Result]]) -> Figure:
    """Draw A and F by period for each row."""
    places = np.arange(len(shown))
    with _figure(2, len(_IMAGES), width=0.55 * len(shown) + 1.2) as (figure, axes):
        for line, image in zip(axes, _IMAGES, strict=True):
            for axis, key in zip(line, ("a", "f"), strict=True):
                for number, period in enumerate(PERIOD_KEYS):
                    values = [_fold(result, image, period, key) for _, result in shown]
                    offset = 0.2 * (number - 1.5)
                    colour = _COLOURS[number + 1]
                    axis.bar(places + offset, values, 0.2, label=f"P = {period}", color=colour)
                axis.set_ylabel(f"{key.upper()}, {_IMAGES[image]}", fontsize=7)
                axis.tick_params(labelsize=6)
                names = [name for name, _ in shown]
                axis.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor")
            line[1].set_yscale("log")
            line[1].set_ylim(bottom=0.3)
            line[1].axhline(1, color="0.5", linewidth=0.7)
        axes[0][0].legend(fontsize=6, ncols=2)
    return figure


def _fold(result: Result, image: str, period: str, key: str) -> float:
    value = result.scores["lattice"].get(image, {}).get(period, {}).get(key)
    return 0.0 if value is None else float(value)


def _save(path: Path, figure: Figure) -> Path:
    from PIL import Image

    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=min(_DPI, _WIDEST / figure.get_figwidth()))
        if temporary.stat().st_size > _LARGE:
            # a palette halves the file size
            with Image.open(temporary) as image:
                small = image.convert("RGB").quantize(_PALETTE)
            small.save(temporary)
    return path
