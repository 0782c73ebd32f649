"""The goals, what was measured, and what a perfect network could reach."""

from __future__ import annotations

from collections.abc import Sequence

Row = dict[str, float | str]
CLASSICAL = ("linear", "cubic", "sinc")
ORACLE = "oracle"
GAINS = {"psnr_b0": 2.0, "psnr_dwi": 1.6}
"""dB above the best classical interpolation."""
CUTS = {
    ("synthetic", 2): {"fa_mae": 25, "v1_deg": 15},
    ("synthetic", 3): {"fa_mae": 25, "v1_deg": 15},
    ("", 2): {"md_mae": 30, "fa_mae": 15, "v1_deg": 8},
    ("", 3): {"md_mae": 30, "fa_mae": 15},
}
"""Percent below the best classical interpolation, by reference and factor."""
NAMES = {
    "psnr_b0": "PSNR b0",
    "psnr_dwi": "PSNR DWI",
    "fa_mae": "FA error",
    "md_mae": "MD error",
    "v1_deg": "V1 error",
}


def against_best(rows: Sequence[Row], method: str, key: str) -> float:
    """Return dB gained (PSNR) or percent cut (errors) against the best classical method."""
    by_name = {row["method"]: float(row[key]) for row in rows if key in row}
    classical = [by_name[name] for name in CLASSICAL]
    if key in GAINS:
        return by_name[method] - max(classical)
    best = min(classical)
    return 100 * (1 - by_name[method] / best)


def goals_table(rows: Sequence[Row], reference: str, factor: int) -> str:
    """Return the Markdown table of goals."""
    network = str(rows[-1]["method"])
    lines = [
        f"| against {reference}, x{factor} | goal | {network} | perfect high band | |",
        "|---|---|---|---|---|",
    ]
    gains = {} if reference == "synthetic" else GAINS
    cuts = CUTS.get((reference, factor), CUTS["", factor])
    for key, goal in {**gains, **cuts}.items():
        found, ceiling = (against_best(rows, name, key) for name in (network, ORACLE))
        form = "{:+.2f} dB" if key in GAINS else "-{:.0f} %"
        cells = [form.format(value).replace("--", "+") for value in (goal, found, ceiling)]
        lines.append(
            "| " + " | ".join([NAMES[key], *cells, "met" if found >= goal else "missed"]) + " |"
        )
    return "\n".join(lines)
