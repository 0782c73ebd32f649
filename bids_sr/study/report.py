"""Tables and figures of a study, made from its logs alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from bids_sr.bids.atomic import write_text
from bids_sr.errors import UsageError
from bids_sr.study.logs import Result, Results, read_results
from bids_sr.study.recipe import NUMBERS, Recipe
from bids_sr.study.rows import ABLATION, EXTRA, ISOLATION, NOISE, TRANSFER, Row
from bids_sr.study.score import PERIOD_KEYS

PAGE = "study.md"
_ERRORS = {
    "psnr_b0": ("PSNR b0 (dB)", "{:.2f}"),
    "psnr_dwi": ("PSNR DWI (dB)", "{:.2f}"),
    "ssim_dwi": ("SSIM DWI", "{:.4f}"),
    "fa_mae": ("FA MAE", "{:.4f}"),
    "md_mae": ("MD MAE (1e-3 mm²/s)", "{:.4f}"),
    "qa_mae": ("QA MAE", "{:.4f}"),
    "v1_deg": ("V1 in WM (deg)", "{:.2f}"),
}
_IMAGES = {"dwi": "DWI", "fa": "FA", "qa": "QA"}
_NAMES = {"truth": "the scan itself", "cubic": "cubic interpolation", "sinc": "sinc interpolation"}
_HEADINGS = {
    ABLATION: "Ablation",
    ISOLATION: "Isolation",
    TRANSFER: "Nine-fold",
    NOISE: "Added noise",
    EXTRA: "Mechanism",
}


@frozen(eq=False)
class _Line:
    """One line of a table."""

    label: str
    result: Result


def write_report(
    recipe: Recipe,
    rows: list[Row],
    out: Path,
    page: Path | None = None,
    figures: Path | None = None,
) -> Path:
    """Write all tables and figures.

    Parameters
    ----------
    recipe : Recipe
        The study.
    rows : list of Row
        Its rows; unfinished ones are omitted.
    out : pathlib.Path
        Output folder of the study, where ``study.md`` is written.
    page : pathlib.Path, optional
        A Markdown file whose tables, between ``<!-- NAME -->`` and ``<!-- end -->``,
        are updated.
    figures : pathlib.Path, optional
        Folder for the figures; default: ``figures`` in `out`.

    Returns
    -------
    pathlib.Path
        ``study.md``.
    """
    from bids_sr.study.figures import draw_all

    results = read_results(out, rows)
    tables = make_tables(rows, results)
    folder = figures or out / "figures"
    drawn = draw_all(rows, results, folder)
    parts = [f"# {recipe.title}"]
    for name, table in tables.items():
        parts += [f"## {name.replace('-', ' ').capitalize()}", table]
    parts += [f"![{path.stem}]({os.path.relpath(path, out)})" for path in drawn]
    write_text(out / PAGE, "\n\n".join(parts) + "\n")
    if page is not None:
        write_text(page, renew(page.read_text(encoding="utf-8"), tables, page))
    return out / PAGE


def make_tables(rows: Sequence[Row], results: Results) -> dict[str, str]:
    """Return the study's tables in Markdown.

    Parameters
    ----------
    rows : sequence of Row
        Rows of the recipe.
    results : Results
        Their scores.

    Returns
    -------
    dict of str to str
        For each table of the study ``TABLE`` (errors) and ``TABLE-grid`` (lattice
        figures); tables without a scored row are omitted.
    """
    tables = {}
    for table in _HEADINGS:
        lines = _lines(table, rows, results)
        if lines:
            tables[table] = _error_table(lines)
            tables[f"{table}-grid"] = _grid_table(lines)
    tables["training"] = _training_table(rows, results)
    return tables


def renew(text: str, tables: dict[str, str], page: Path) -> str:
    """Return a page with its tables replaced.

    Parameters
    ----------
    text : str
        Markdown with ``<!-- NAME -->`` ... ``<!-- end -->`` around each table.
    tables : dict of str to str
        As returned by `make_tables`.
    page : pathlib.Path
        Path for the error message.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If the page refers to a table that does not exist.
    """

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in tables:
            raise UsageError(
                f"asks for a table {name}, which the study has not.",
                file=page,
                remedy=f"There are: {', '.join(tables)}.",
            )
        return f"<!-- {name} -->\n{tables[name]}\n<!-- end -->"

    return re.sub(r"<!-- ([\w-]+) -->\n.*?<!-- end -->", replace, text, flags=re.DOTALL)


def _lines(table: str, rows: Sequence[Row], results: Results) -> list[_Line]:
    chosen = [row for row in rows if table in row.tables and row.name in results.rows]
    chosen.sort(key=lambda row: (row.settings.factor, row.noise))
    if table == ABLATION:
        chosen.sort(key=lambda row: -len(row.layers))
    lines, place = [], None
    for row in chosen:
        if (row.settings.factor, row.noise) != place:
            place = row.settings.factor, row.noise
            lines += _baselines(*place, results)
        lines.append(_Line(label(row), results.rows[row.name]))
    return lines


def _baselines(factor: int, noise: float, results: Results) -> list[_Line]:
    suffix = f"-x{factor}-noise{noise:g}"
    found = []
    for method, name in _NAMES.items():
        result = results.baselines.get(f"{method}{suffix}")
        if result is not None:
            extra = f", noise {noise:g}" if noise else ""
            found.append(_Line(f"{name}{extra}", result))
    return found


def label(row: Row) -> str:
    """Return the label of a row in tables and figures."""
    if len(row.layers) == 1:
        name = f"L1 + {NUMBERS[row.layers[0]]}"
    else:
        name = f"L1 + layers {', '.join(map(str, row.layers))}" if row.layers else "L1"
    if row.noise:
        name += f", noise {row.noise:g}"
    return f"{name} ({row.name})" if EXTRA in row.tables else name


def _error_table(lines: Iterable[_Line]) -> str:
    head = ["", *(title for title, _ in _ERRORS.values())]
    body = [
        [line.label, *(_cell(line.result.scores.get(k), form) for k, (_, form) in _ERRORS.items())]
        for line in lines
        if "psnr_dwi" in line.result.scores
    ]
    return _markdown(head, body)


def _grid_table(lines: Iterable[_Line]) -> str:
    """F / median F over slices / A, for each image and period."""
    head = ["", *(f"{image} P={period}" for image in _IMAGES.values() for period in PERIOD_KEYS)]
    body = [[line.label, *_grid_cells(line.result.scores["lattice"])] for line in lines]
    return _markdown(head, body)


def _grid_cells(lattice: dict[str, Any]) -> list[str]:
    cells = []
    for image in _IMAGES:
        for period in PERIOD_KEYS:
            fold = lattice.get(image, {}).get(period, {})
            cells.append(f"{_cell(fold.get('f'), '{:.3g}')} / {_cell(fold.get('a'), '{:.2f}')}")
    return cells


def _training_table(rows: Sequence[Row], results: Results) -> str:
    head = ["", "steps", "last L1", "last feature loss", "median F, DWI P=2", "P=4", "P=8", "P=16"]
    body = []
    for row in rows:
        result = results.rows.get(row.name)
        if result is None:
            continue
        last = result.last_logged()
        terms = [_cell(_value(last.get(key)), "{:.4f}") for key in ("l1", "feature")]
        folds = result.scores["lattice"]["dwi"]
        medians = [_cell(folds[period]["median_f"], "{:.3g}") for period in PERIOD_KEYS]
        body.append([row.name, str(row.settings.steps), *terms, *medians])
    return _markdown(head, body)


def _value(text: str | None) -> float | None:
    return float(text) if text else None


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in body])
