"""Rows of scores as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bids_sr.evaluation.goals import Row

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
BUDGET: Columns = {
    "method": ("weighted volumes, 1e-3 of squared peak", "{}"),
    "budget_total": ("squared error", "{:.3f}"),
    "budget_mean": ("(a) mean over directions", "{:.3f}"),
    "budget_directional": ("(b) directional", "{:.3f}"),
    "budget_rest": ("(c) noise and rest", "{:.3f}"),
    "budget_gain_mean_db": ("ideal mean (dB)", "{:+.2f}"),
    "budget_gain_directional_db": ("ideal directions (dB)", "{:+.2f}"),
}


def markdown(rows: Sequence[Row], columns: Columns = SCORES) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    rows : sequence of dict
        One per method.
    columns : mapping
        Scores to show, in order; those that no row has are left out.

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
