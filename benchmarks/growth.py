"""How wall time and memory grow with slices, volumes, matrix, factor, threads and processes.

    python benchmarks/growth.py --out docs/performance --figure docs/figures/growth.png
    python benchmarks/growth.py --out docs/performance --figure docs/figures/growth.png --draw-only

Runs the whole app on made-up scans (`synthetic_scan.py`) that differ from a base in one thing at a
time, with the shipped network of each factor, in float32 and without self-ensemble.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages
import speed_sides
from attrs import frozen
from synthetic_scan import make_scan


@frozen
class Case:
    """One call of the app."""

    slices: int = 24
    volumes: int = 17
    matrix: int = 96
    factor: int = 2
    threads: int = 1
    participants: int = 1
    processes: int = 1
    """Cores that runs are dealt out to, one thread each."""

    def measure(self, work: Path) -> dict[str, Any]:
        """Run the app and return what it took."""
        weighted = self.volumes - 1
        labels = tuple(f"{k:02d}" for k in range(1, self.participants + 1))
        shape = (self.matrix, self.matrix, self.slices)
        make_scan(work / "raw", shape, {0: 1, 1000: weighted}, labels)
        command = [
            Path(sys.executable).parent / "bids-sr", work / "raw", work / "out", "participant",
            "--nprocs", max(self.threads, self.processes), "--omp-nthreads", self.threads,
            "--device", "cpu", "--scale", self.factor, "--ensemble", 1, "--skip-bids-validation",
            "--precision", "float32",
            "-w", work / "work",
        ]  # fmt: skip
        return speed_sides.measure(command, self.threads).to_dict()


CURVES: dict[str, list[Case]] = {
    "slices": [Case(slices=n) for n in (12, 24, 48, 96)],
    "volumes": [Case(volumes=n) for n in (9, 17, 33, 65, 129)],
    "matrix": [Case(matrix=n) for n in (64, 96, 128, 192)],
    "factor": [Case(factor=n) for n in (2, 3)],
    "threads": [Case(threads=n) for n in (1, 2)],
    "processes": [Case(participants=2, processes=n) for n in (1, 2)],
}


def main() -> None:
    """Measure what has not been, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of growth.json")
    parser.add_argument("--figure", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="documentation that has room for the table")
    parser.add_argument("--draw-only", action="store_true")
    given = parser.parse_args()
    path = given.out / "growth.json"
    facts = json.loads(path.read_text("utf-8")) if given.draw_only else measured()
    given.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draw(facts, given.figure)
    lines = "\n".join(table(facts))
    if given.page:
        pages.put(given.page, {"growth": lines})
    print(lines)


def measured() -> dict[str, list[dict[str, Any]]]:
    """Run all cases; those that curves share, once."""
    done: dict[Case, dict[str, Any]] = {}
    facts: dict[str, list[dict[str, Any]]] = {}
    for name, cases in CURVES.items():
        facts[name] = []
        for case in cases:
            if case not in done:
                print(case, file=sys.stderr, flush=True)
                with tempfile.TemporaryDirectory(prefix="growth-") as folder:
                    done[case] = case.measure(Path(folder))
            facts[name].append({"value": _value(case, name), **done[case]})
    return facts


def _value(case: Case, name: str) -> int:
    return int(getattr(case, name))


def table(facts: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield the rows of a table of all cases."""
    base = Case()
    yield (
        f"Base: {base.matrix} x {base.matrix} x {base.slices} x {base.volumes}, x2, one thread, one"
        f" run. Machine with {os.cpu_count()} cores."
    )
    yield ""
    yield "| what | value | wall (s) | CPU (s) | peak RSS (GB) |"
    yield "|---|---|---|---|---|"
    for name, points in facts.items():
        for point in points:
            yield (
                f"| {name} | {point['value']} | {point['wall_s']:.0f} | {point['cpu_s']:.0f}"
                f" | {point['peak_gb']:.2f} |"
            )


def draw(facts: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw CPU time, wall time and memory of each curve."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 5), dpi=80, layout="constrained")
    places = figure.subplots(2, len(facts), sharey="row", squeeze=False)
    for k, (name, points) in enumerate(facts.items()):
        values = [point["value"] for point in points]
        for key, label, style in (("wall_s", "wall", "o-"), ("cpu_s", "CPU", "s--")):
            places[0, k].plot(values, [p[key] for p in points], style, label=label, ms=4)
        places[1, k].plot(values, [p["peak_gb"] for p in points], "o-", ms=4, color="tab:green")
        for place in places[:, k]:
            place.set_xticks(values, values, rotation=60)
            place.grid(alpha=0.3)
        places[1, k].set_xlabel(name)
    for row, key in ((0, "wall_s"), (1, "peak_gb")):
        highest = max(point[key] for points in facts.values() for point in points)
        places[row, 0].set_ylim(0, 1.1 * highest)  # of all in the row: they share it
    places[0, 0].set_ylabel("seconds")
    places[0, 0].legend(frameon=False)
    places[1, 0].set_ylabel("peak RSS (GB)")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(path)


if __name__ == "__main__":
    main()
