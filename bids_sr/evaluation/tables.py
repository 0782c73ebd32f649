"""Rows of scores as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bids_sr.evaluation.detail import shell_keys
from bids_sr.evaluation.goals import NOISE_ALONE, Row

Columns = Mapping[str, tuple[str, str]]
"""Title and format of each score."""

SCORES: Columns = {
    "method": ("", "{}"),
    "psnr_b0": ("PSNR b0 (dB)", "{:.2f}"),
    "psnr_dwi": ("PSNR DWI (dB)", "{:.2f}"),
    "psnr_mean": ("PSNR mean DWI (dB)", "{:.2f}"),
    "ssim_b0": ("SSIM b0", "{:.4f}"),
    "ssim_dwi": ("SSIM DWI", "{:.4f}"),
    "fa_mae": ("FA MAE", "{:.4f}"),
    "md_mae": ("MD MAE (1e-3 mm²/s)", "{:.4f}"),
    "v1_deg": ("V1 in WM (deg)", "{:.2f}"),
    "qa_mae": ("QA MAE", "{:.4f}"),
    "seconds": ("time (s)", "{:.0f}"),
}
LEFT: Columns = {
    "left_b0": ("left of b0", "{:.2f}"),
    "left_mean": ("left of mean DWI", "{:.2f}"),
    "left_l2": ("left of l = 2", "{:.2f}"),
    "left_l4": ("left of l = 4", "{:.2f}"),
}
"""Over all shells; `left_table` lists them by shell."""
_PARTS = {"b0": "b0", "mean": "mean", "l2": "l = 2", "l4": "l = 4"}
_NOISE_SHARE = "noise share of the reference"


def markdown(rows: Sequence[Row], columns: Columns = SCORES) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    rows : sequence of dict
        One per method.
    columns : mapping
        Scores to show, in order; those missing from all rows are omitted.

    Returns
    -------
    str
    """
    shown = {key: column for key, column in columns.items() if any(key in row for row in rows)}
    lines = [
        "| " + " | ".join(title for title, _ in shown.values()) + " |",
        "|---" * len(shown) + "|",
    ]
    for row in rows:
        cells = [form.format(row[key]) if key in row else "n/a" for key, (_, form) in shown.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def left_table(rows: Sequence[Row]) -> str | None:
    """Return the table of the high-band share each method leaves unexplained, by shell.

    Parameters
    ----------
    rows : sequence of dict
        One per method, as `bids_sr.evaluation.compare.compare` yields them.

    Returns
    -------
    str or None
        Markdown, with the noise share of each part in the last row, and limitations below the
        table; None if nothing is known.
    """
    shares = {
        key.removeprefix("noise_"): value
        for row in rows
        if row["method"] == NOISE_ALONE
        for key, value in row.items()
        if key.startswith("noise_left_")
    }
    keys = shell_keys([*rows, shares])
    if not keys:
        return None
    columns = {"method": ("high band left unexplained", "{}")}
    for key in keys:
        _, part, shell = key.split("_")
        name = "b0" if part == "b0" else f"{_PARTS[part]}, b = {shell.removeprefix('b')}"
        columns[key] = (name, "{:.2f}")
    methods = [row for row in rows if row["method"] != NOISE_ALONE]
    noise: list[Row] = [{"method": _NOISE_SHARE, **shares}] if shares else []
    note = next((str(row["left_note"]) for row in methods if row.get("left_note")), "")
    return "\n\n".join([markdown([*methods, *noise], columns), *([note] if note else [])])
