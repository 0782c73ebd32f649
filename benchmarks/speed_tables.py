"""The page that `speed.py` writes: sides, steps, pieces, back ends, and the goals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

NETWORK_STEP = "super_resolve"
AUTHORS = "the article's pipeline"
DEFAULT = "bids-sr, default"
TIMES_AUTHORS = {DEFAULT: 20.0, f"{DEFAULT}, 100 volumes": 100.0}
"""Least slices/s, in those of the article's pipeline."""
WHOLE_S = 150.0
"""Of sub-philips02, with its report."""
FACTOR = 2


@frozen
class Goal:
    """What was wanted, and what came out."""

    what: str
    limit: float
    found: float
    most: bool = True
    """Whether the limit is the most it may be, not the least."""
    unit: str = ""

    @property
    def row(self) -> str:
        """A line of the table."""
        met = self.found <= self.limit if self.most else self.found >= self.limit
        sign = "<=" if self.most else ">="
        ratio = self.found / self.limit
        return (
            f"| {self.what} | {sign} {self.limit:.3g}{self.unit} | {self.found:.3g}{self.unit}"
            f" | {'met' if met else 'MISSED'}, {ratio:.2f} of the limit |"
        )


def sections(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the Markdown of all that was measured, by name of the section."""
    x, y, z, volumes = facts["shape"]
    machine = ", ".join(f"{key} {value}" for key, value in facts["machine"].items())
    what = (
        f"{facts['run']} ({x} x {y} x {z} x {volumes}), 2 x 2 in plane,"
        f" {facts['threads']} thread(s), medians;"
        f" bids_sr {facts['version']}; {machine}."
    )
    tables = {
        "goals": goals(facts),
        "sides": (what, "", *_sides(facts)),
        "steps": _steps(facts),
        "pieces": _pieces(facts),
        "back-ends": _back_ends(facts),
        "fit": _fits(facts),
    }
    return {name: "\n".join(lines) for name, lines in tables.items()}


def _slices(facts: Mapping[str, Any], side: Mapping[str, Any]) -> int:
    return int(side.get("slices", facts["shape"][2] * facts["shape"][3]))


def _stage(side: Mapping[str, Any]) -> float:
    return float(side["steps"][NETWORK_STEP][0])


def _rate(facts: Mapping[str, Any], name: str) -> float:
    """Return slices per second: of the app, from the first read to the written series."""
    side = facts["sides"][name]
    return _slices(facts, side) / (_stage(side) if "steps" in side else side["wall_s"])


def _sides(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "| side | turns | wall (s) | CPU (s) | peak RSS (GB) | series (MB) | slices/s |"
    yield "|---|---|---|---|---|---|---|"
    for name, side in facts["sides"].items():
        part = f" ({side['slices']:.0f} slices)" if "slices" in side else ""
        yield (
            f"| {name}{part} | {side['turns']} | {side['wall_s']:.1f} | {side['cpu_s']:.1f}"
            f" | {side['peak_gb']:.2f} | {side['bytes'] / 1e6:.0f} | {_rate(facts, name):.1f} |"
        )
    for reason in facts["left_out"]:
        yield f"| {reason} | not run | | | | | |"
    yield ""
    yield (
        "The app's rows are of the whole program: index, masks, tensor, QC and report; its"
        " slices/s are of the stage from reading the scan to the written series."
    )


def _steps(facts: Mapping[str, Any]) -> Iterator[str]:
    apps = {name: side for name, side in facts["sides"].items() if "steps" in side}
    voxels = FACTOR**2 * math.prod(facts["shape"]) / 1e6
    first = next(iter(apps.values()))
    yield (
        "| step | " + " | ".join(f"{name} (s)" for name in apps) + " | of the first, CPU ns/voxel |"
    )
    yield "|---|" + "---|" * (len(apps) + 1)
    names = list(dict.fromkeys(step for side in apps.values() for step in side["steps"]))
    for step in names:
        cells = [f"{side['steps'].get(step, (0, 0))[0]:.1f}" for side in apps.values()]
        each = 1e3 * first["steps"].get(step, (0, 0))[1] / voxels
        yield f"| {step} | " + " | ".join(cells) + f" | {each:.1f} |"
    rest = [
        f"{side['wall_s'] - sum(took[0] for took in side['steps'].values()):.1f}"
        for side in apps.values()
    ]
    yield "| start, index, page | " + " | ".join(rest) + " | |"
    for what, seconds in facts["copy"].items():
        alone = " | ".join([""] * len(apps))
        yield f"| to {what} the series, nothing else | {alone} | {1e3 * seconds / voxels:.1f} |"
    yield ""
    yield "ns/voxel: CPU time by the voxels of the super-resolved series."


def _pieces(facts: Mapping[str, Any]) -> Iterator[str]:
    made = facts["pieces"]
    # figures from before there was a choice have no precision
    layers = dict.fromkeys(each["precision"] for each in made.values() if "precision" in each)
    how = f" (layers in {' and '.join(layers)})" if layers else ""
    yield f"Inside the network's stage{how}, CPU seconds:"
    yield ""
    yield "| piece | " + " | ".join(made) + " |"
    yield "|---|" + "---|" * len(made)
    for piece in next(iter(made.values()))["pieces"]:
        yield (
            f"| {piece} | " + " | ".join(f"{p['pieces'][piece]:.2f}" for p in made.values()) + " |"
        )


def _back_ends(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "The bare network, slices/s:"
    yield ""
    yield "| back end | slices/s | largest relative difference to eager |"
    yield "|---|---|---|"
    for name, rate in facts["forward"].items():
        if name != "torch":
            yield f"| {name} | {rate['slices_per_s']:.1f} | {rate['difference']:.0e} |"


def _fits(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "Tensor and QA of the super-resolved series in its brain mask, 2 threads:"
    yield ""
    yield "| program | wall (s) | CPU (s) | peak RSS (GB) |"
    yield "|---|---|---|---|"
    for name, cost in facts["fit"].items():
        yield f"| {name} | {cost['wall_s']:.1f} | {cost['cpu_s']:.1f} | {cost['peak_gb']:.2f} |"


def goals(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of goals."""
    yield "| goal | limit | found | |"
    yield "|---|---|---|---|"
    for goal in _goals(facts):
        yield goal.row


def _goals(facts: Mapping[str, Any]) -> Iterator[Goal]:
    if AUTHORS in facts["sides"]:
        for name, least in TIMES_AUTHORS.items():
            if name in facts["sides"]:
                times = _rate(facts, name) / _rate(facts, AUTHORS)
                yield Goal(f"{name}: slices/s, times the article's", least, times, most=False)
    whole = facts["sides"][DEFAULT]["wall_s"]
    yield Goal(f"{DEFAULT}: whole run", WHOLE_S, whole, unit=" s")
    yield from _fit_goals(facts["fit"])
    yield Goal("--help", 0.5, facts["start"]["help"], unit=" s")
    for what, seconds in facts["start"].items():
        if what != "help":
            yield Goal(f"start to {what}", 15, seconds, unit=" s")


def _fit_goals(fit: Mapping[str, Any]) -> Iterator[Goal]:
    theirs: Sequence[str] = [name for name in fit if name.startswith("MRtrix3")]
    if not theirs:
        return
    limit = sum(fit[name]["wall_s"] for name in theirs)
    start = fit["start of Python and libraries"]["wall_s"]
    tensor, qa = (fit[f"bids-sr, {what}"]["wall_s"] - start for what in ("tensor", "QA"))
    yield Goal("tensor and QA, of MRtrix3's tensor and metrics", limit, tensor + qa, unit=" s")
    yield Goal("the tensor alone", limit, tensor, unit=" s")
