"""The goals, the measured values, and the limits set by the reference's noise."""

from __future__ import annotations

from collections.abc import Sequence

Row = dict[str, float | str]
CLASSICAL = ("linear", "cubic", "sinc")
NOISE_ALONE = "noise of the reference alone"
"""A perfect result: it differs from the reference by the noise of the reference's high band."""
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
    """Return the gain in dB (PSNR) or percent (errors) over the best classical method."""
    by_name = {row["method"]: float(row[key]) for row in rows if key in row}
    classical = [by_name[name] for name in CLASSICAL]
    if key in GAINS:
        return by_name[method] - max(classical)
    best = min(classical)
    return 100 * (1 - by_name[method] / best)


def goals_table(rows: Sequence[Row], reference: str, factor: int) -> str:
    """Return the Markdown table of goals.

    Parameters
    ----------
    rows : sequence of dict
        From `bids_sr.evaluation.compare.compare`; the network's is the last.
    reference : str
        Kind of the reference.
    factor : int
        In-plane factor.

    Returns
    -------
    str
        Including the gain of a perfect result, where known.
    """
    network = str(rows[-1]["method"])
    known = [row["method"] for row in rows]
    lines = [
        f"| against {reference}, x{factor} | goal | {network} | {NOISE_ALONE} | |",
        "|---|---|---|---|---|",
    ]
    gains = {} if reference == "synthetic" else GAINS
    cuts = CUTS.get((reference, factor), CUTS["", factor])
    for key, goal in {**gains, **cuts}.items():
        found = against_best(rows, network, key)
        form = "{:+.2f} dB" if key in GAINS else "-{:.0f} %"
        values = [goal, found]
        if NOISE_ALONE in known:
            values.append(against_best(rows, NOISE_ALONE, key))
        cells = [form.format(value).replace("--", "+") for value in values]
        cells += ["n/a"] * (NOISE_ALONE not in known)
        lines.append(
            "| " + " | ".join([NAMES[key], *cells, "met" if found >= goal else "missed"]) + " |"
        )
    return "\n".join(lines)
