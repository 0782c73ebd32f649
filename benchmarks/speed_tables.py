"""The page that `speed.py` writes: sides, steps, pieces, back ends, and the goals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

NETWORK_STEP = "super_resolve"
FITS = ("fit_tensor", "fit_input")
AUTHORS = "the article's pipeline"


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


def _slices(facts: Mapping[str, Any]) -> int:
    return int(facts["shape"][2] * facts["shape"][3])


def _stage(side: Mapping[str, Any]) -> float:
    return float(side["steps"][NETWORK_STEP][0])


def _rate(facts: Mapping[str, Any], name: str) -> float:
    """Return slices per second: of the app, from the first read to the written series."""
    side = facts["sides"][name]
    if "steps" in side:
        return _slices(facts) / _stage(side)
    return float(side.get("slices", _slices(facts)) / side["wall_s"])


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
    yield "| step | " + " | ".join(f"{name} (s)" for name in apps) + " |"
    yield "|---|" + "---|" * len(apps)
    names = list(dict.fromkeys(step for side in apps.values() for step in side["steps"]))
    for step in names:
        cells = [f"{side['steps'].get(step, (0, 0))[0]:.1f}" for side in apps.values()]
        yield f"| {step} | " + " | ".join(cells) + " |"
    rest = [
        f"{side['wall_s'] - sum(took[0] for took in side['steps'].values()):.1f}"
        for side in apps.values()
    ]
    yield "| start, index, page | " + " | ".join(rest) + " |"
    checks = [
        f"{name} {100 * _share_of_check(part):.0f} %" for name, part in facts["check"].items()
    ]
    yield ""
    yield f"Of the self-check, network and tensor fits: {', '.join(checks)}."


def _share_of_check(part: Mapping[str, float]) -> float:
    """Return how much of a self-check's time is the network's stage and tensor fits."""
    return (part["network"] + part["fit"]) / part["wall_s"]


def _pieces(facts: Mapping[str, Any]) -> Iterator[str]:
    made = facts["pieces"]
    yield "Inside the network's stage, CPU seconds for the first volumes (first pass over all):"
    yield ""
    heads = [f"{name}: {part['volumes']} volumes" for name, part in made.items()]
    yield "| piece | " + " | ".join(heads) + " |"
    yield "|---|" + "---|" * len(made)
    for piece in next(iter(made.values()))["pieces"]:
        yield (
            f"| {piece} | " + " | ".join(f"{p['pieces'][piece]:.2f}" for p in made.values()) + " |"
        )


def _back_ends(facts: Mapping[str, Any]) -> Iterator[str]:
    made = facts["forward"]
    yield "The bare network, slices/s (largest relative difference to eager):"
    yield ""
    yield "| back end | " + " | ".join(made) + " |"
    yield "|---|" + "---|" * len(made)
    names = dict.fromkeys(name for rates in made.values() for name in rates if name != "torch")
    for name in names:
        cells = [
            f"{rates[name]['slices_per_s']:.1f} ({rates[name]['difference']:.0e})"
            if name in rates
            else "-"
            for rates in made.values()
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _fits(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "Tensor and QA of the super-resolved series in its brain mask, 2 threads:"
    yield ""
    yield "| program | wall (s) | CPU (s) | peak RSS (GB) |"
    yield "|---|---|---|---|"
    for name, cost in facts["fit"].items():
        yield f"| {name} | {cost['wall_s']:.1f} | {cost['cpu_s']:.1f} | {cost['peak_gb']:.2f} |"


def fastest(facts: Mapping[str, Any], model: str) -> float:
    """Return the slices per second of the fastest back end."""
    rates = [rate for name, rate in facts["forward"][model].items() if name != "torch"]
    return float(max(rate["slices_per_s"] for rate in rates))


def goals(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of goals."""
    yield "| goal | limit | found | |"
    yield "|---|---|---|---|"
    for goal in _goals(facts):
        yield goal.row


def _goals(facts: Mapping[str, Any]) -> Iterator[Goal]:
    for name, part in facts["pieces"].items():
        side = facts["sides"][f"bids-sr, {name}"]
        model = facts["models"][name]
        bare = _slices(facts) * part["copies"] / fastest(facts, model)
        yield Goal(f"{name}: stage / bare forward of whole slices", 1.15, _stage(side) / bare)
        seen = bare * part["network_share"]
        yield Goal(f"{name}: stage / bare forward of what the network sees", 1.15,
                   _stage(side) / seen)  # fmt: skip
        others = side["wall_s"] - _stage(side) - sum(side["steps"][s][0] for s in FITS)
        # the self-check, too, is network and fits in part
        others -= _share_of_check(facts["check"][name]) * side["steps"]["self_check"][0]
        yield Goal(f"{name}: all but network and tensor fit, of wall", 10,
                   100 * others / side["wall_s"], unit=" %")  # fmt: skip
        if AUTHORS in facts["sides"]:
            times = _rate(facts, f"bids-sr, {name}") / _rate(facts, AUTHORS)
            yield Goal(f"{name}: slices/s, times the article's", 20, times, most=False)
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
