"""The quality tables of README and guide, from what `bids-sr-evaluate` and the self-check measured.

    make benchmark-quality DATA=DATASET

`FOLDER` holds ``x2-scan.json`` and ``x3-scan.json`` (``bids-sr-evaluate --out``) of the scan held
out, and ``others.json`` (``self_check.py --mode full --out``) of others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pages

from bids_sr.evaluation.goals import CLASSICAL, NOISE_ALONE, Row, goals_table
from bids_sr.evaluation.tables import SCORES, left_table, markdown
from bids_sr.quality.gain import NETWORK, NOISE, key_of

LEFT = {
    "left_b0": "detail left of b0",
    "left_mean": "detail left of the mean over directions",
    "left_l2": "detail left of what differs between directions (l = 2)",
}
ERRORS = {
    "fa_mae": ("FA error", "{:.4f}"),
    "md_mae": ("MD error (1e-3 mm2/s)", "{:.4f}"),
    "v1_deg": ("V1 error in white matter (degrees)", "{:.2f}"),
}
Records = Sequence[dict[str, Any]]


def main() -> None:
    """Fill in the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--readme", type=Path, required=True)
    parser.add_argument("--guide", type=Path, required=True)
    given = parser.parse_args()
    scored = {
        factor: json.loads((given.folder / f"x{factor}-scan.json").read_text("utf-8"))
        for factor in (2, 3)
    }
    others = json.loads((given.folder / "others.json").read_text("utf-8"))
    pages.put(given.readme, {"quality": "\n".join(short_table(scored[2], others))})
    for factor, facts in scored.items():
        goals = goals_table(facts["rows"], factor)
        tables = {f"quality-x{factor}": whole_tables(facts), f"goals-x{factor}": goals}
        pages.put(given.guide, tables)


def whole_tables(facts: dict[str, Any]) -> str:
    """Return all scores of a scan, and what is left unexplained, as Markdown."""
    columns = {key: column for key, column in SCORES.items() if key != "seconds"}
    rows = facts["rows"]
    title = (
        f"{facts['run']}, {facts['model']} ({facts['model_sha256'][:12]}, {facts['precision']}), "
        f"{facts['mask_voxels']} brain voxels, {facts['white_matter_voxels']:.0f} of them white "
        "matter:"
    )
    return "\n\n".join(filter(None, (title, markdown(rows, columns), left_table(rows))))


def short_table(facts: dict[str, Any], others: Records) -> Iterator[str]:
    """Yield the lines of the README's table.

    Parameters
    ----------
    facts : dict
        Of the scan held out: ``run``, and its ``rows``, of which the network's is the last.
    others : sequence of dict
        Records of the self-check of other scans.
    """
    rows: Sequence[Row] = facts["rows"]
    by_name = {row["method"]: row for row in rows}
    network, noise = rows[-1], by_name[NOISE_ALONE]
    n = len(others)
    yield (
        f"| `{facts['run']}`, x2 | sinc | {network['method']} | noise alone "
        f"| {network['method']}, {n} other scans | noise alone, {n} other scans |"
    )
    yield "|---" * 6 + "|"
    for key, title in LEFT.items():
        sinc, found = (f"{float(row[key]):.2f}" for row in (by_name["sinc"], network))
        left = [float(each[key_of(key, NETWORK)]) for each in others]
        yield f"| {title} | {sinc} | {found} | 0 | {min(left):.2f} to {max(left):.2f} | 0 |"
    for key, (title, form) in ERRORS.items():
        best = min(float(by_name[name][key]) for name in CLASSICAL)
        held_out = [
            f"{form.format(row[key])} ({_percent(float(row[key]), best)})"
            for row in (network, noise)
        ]
        ranges = [_range(others, key, method) for method in (NETWORK, NOISE)]
        cells = [title, form.format(by_name["sinc"][key]), *held_out, *ranges]
        yield "| " + " | ".join(cells) + " |"


def _range(others: Records, key: str, method: str) -> str:
    """Return the change of an error over the best interpolation, from least to most."""
    ratios = [
        each[key_of(key, method)] / min(each[key_of(key, name)] for name in CLASSICAL)
        for each in others
    ]
    return f"{_percent(max(ratios))} to {_percent(min(ratios))}"


def _percent(value: float, base: float = 1.0) -> str:
    return f"{100 * (value / base - 1):+.0f}\N{NO-BREAK SPACE}%"


if __name__ == "__main__":
    main()
