"""The goals, the measured values, and the limits set by the reference's noise."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

Row = dict[str, float | str]
CLASSICAL = ("linear", "cubic", "sinc")
NOISE_ALONE = "noise of the reference alone"
"""A perfect result: it differs from the reference by the noise of the reference's high band."""
REFERENCE = "scan"
"""The reference that the goals are for, one of `bids_sr.evaluation.defaults.REFERENCES`."""


@frozen
class Goal:
    """A score that a network should reach."""

    name: str
    limit: dict[int, float]
    """By in-plane factor; factors without a goal are missing."""
    form: str
    """Of a value: of the score itself, or of the change over the best classical interpolation."""
    relative: bool = True
    """Whether the limit is a change over the best classical interpolation."""
    gain: bool = False
    """Whether more is better; the change is then a difference, else in percent."""

    def value(self, rows: Sequence[Row], method: str, key: str) -> float | None:
        """Return the score of a method or its change; None if it is unknown."""
        by_name = {row["method"]: float(row[key]) for row in rows if key in row}
        if method not in by_name:
            return None
        found = by_name[method]
        if not self.relative:
            return found
        classical = [by_name[name] for name in CLASSICAL]
        return found - max(classical) if self.gain else 100 * (found / min(classical) - 1)

    def is_met(self, value: float, factor: int) -> bool:
        """Return whether a value reaches the limit."""
        return value >= self.limit[factor] if self.gain else value <= self.limit[factor]


_SHARE, _DB, _PERCENT = "{:.2f}", "{:+.2f} dB", "{:+.0f} %"
GOALS = {
    "left_b0": Goal("left of b0", {2: 0.55, 3: 0.62}, _SHARE, relative=False),
    "left_mean": Goal("left of mean DWI", {2: 0.50, 3: 0.57}, _SHARE, relative=False),
    "left_l2": Goal("left of l = 2", {2: 0.65, 3: 0.78}, _SHARE, relative=False),
    "psnr_dwi": Goal("PSNR DWI", {2: 1.5}, _DB, gain=True),
    "fa_mae": Goal("FA error", {2: -14}, _PERCENT),
    "v1_deg": Goal("V1 error", {2: -8}, _PERCENT),
}
"""By score. Limits on what is left unexplained are of the share, all others of the change."""


def goals_table(rows: Sequence[Row], factor: int) -> str:
    """Return the Markdown table of goals.

    Parameters
    ----------
    rows : sequence of dict
        From `bids_sr.evaluation.compare.compare`, against the scan; the network's is the last.
    factor : int
        In-plane factor.

    Returns
    -------
    str
        Including the values of a perfect result, where known; scores missing from the network's
        row are left out.
    """
    network = str(rows[-1]["method"])
    lines = [f"| x{factor} | goal | {network} | {NOISE_ALONE} | |", "|---|---|---|---|---|"]
    for key, goal in GOALS.items():
        found = goal.value(rows, network, key)
        if found is None:
            continue
        perfect = goal.value(rows, NOISE_ALONE, key) if goal.relative else 0.0
        limit = goal.limit.get(factor)
        cells = [
            "no goal" if limit is None else goal.form.format(limit),
            goal.form.format(found),
            "n/a" if perfect is None else goal.form.format(perfect),
            "" if limit is None else "met" if goal.is_met(found, factor) else "missed",
        ]
        lines.append("| " + " | ".join([goal.name, *cells]) + " |")
    return "\n".join(lines)
