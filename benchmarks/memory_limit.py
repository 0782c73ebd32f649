"""Peak memory and time of a made-up scan as large as those of the HCP, beside what they may be.

    python benchmarks/memory_limit.py --scan 7T --scale 3 --work FOLDER
    python benchmarks/memory_limit.py --scan 3T --shipped --work FOLDER --out docs/performance

Makes the scan, and a network of next to no weights unless ``--shipped`` takes the default with all
its self-ensemble; runs the whole app with one process, and prints what each step held at its peak.
The limit is 1.5 GB and four volumes of the output (float32), whatever the number of volumes. Takes
an hour on one core and, at x3, 60 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pages
import speed_sides
from synthetic_scan import make_network, make_scan

SCANS: dict[str, tuple[tuple[int, int, int], dict[int, int]]] = {
    "3T": ((145, 174, 145), {0: 18, 1000: 90, 2000: 90, 3000: 90}),
    "7T": ((173, 207, 173), {0: 15, 1000: 64, 2000: 64}),
}
"""Matrix, and volumes by b-value."""
CORE_HOURS = 0.75
"""Goal for a subject of HCP 3T, default, x2."""


def main() -> None:
    """Run the app and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, choices=(2, 3), default=2)
    parser.add_argument("--scan", choices=SCANS, default="7T")
    parser.add_argument("--shipped", action="store_true", help="the default network")
    parser.add_argument("--matrix", type=int, nargs=3, metavar="VOXELS", help="another, to try")
    parser.add_argument("--volumes", nargs="+", metavar="B:COUNT", help="others, to try")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder for memory-<scan>-x<scale>.json")
    parser.add_argument("--page", type=Path, help="documentation that has room for the table")
    given = parser.parse_args()
    name = f"memory-{given.scan}-x{given.scale}"
    work = given.work / f"bids_sr-{name}"
    shutil.rmtree(work, ignore_errors=True)
    matrix, volumes = SCANS[given.scan]
    x, y, z = given.matrix or matrix
    if given.volumes:
        volumes = dict(map(int, pair.split(":")) for pair in given.volumes)
    make_scan(work / "raw", (x, y, z), volumes, ("01",))
    options = ["--scale", str(given.scale)]
    if not given.shipped:
        options += ["--model", str(make_network(work / "stub", given.scale)), "--ensemble", "1"]
    cost = speed_sides.app(work / "raw", "01", work / "app", 1, options)
    volume = x * y * z * given.scale**2 * 4 / 1e9
    limit = 1.5 + 4 * volume
    hours = cost["cpu_s"] / 3600
    spent = f"{hours:.2f} core hours"
    if given.shipped:
        spent += f" ({_verdict(hours, CORE_HOURS)}, goal {CORE_HOURS})"
    lines = [
        f"{x} x {y} x {z} x {sum(volumes.values())}, {given.scale} x {given.scale} in plane:"
        f" one volume of the output {volume:.3f} GB, limit {limit:.2f} GB.",
        "",
        "| step | peak (GB) | CPU (s) |",
        "|---|---|---|",
        *(f"| {step} | {peak:.2f} | {cpu:.0f} |" for step, (_, cpu, peak) in cost["steps"].items()),
        "",
        f"Whole program {cost['peak_gb']:.2f} GB ({_verdict(cost['peak_gb'], limit)}),"
        f" series {cost['bytes'] / 1e9:.1f} GB, {cost['wall_s'] / 60:.0f} min, {spent}.",
    ]  # fmt: skip
    print("\n".join(lines))
    if given.page:
        pages.put(given.page, {name: "\n".join(lines)})
    if given.out:
        facts = {"limit_gb": limit, "volume_gb": volume, "cost": cost}
        given.out.mkdir(parents=True, exist_ok=True)
        path = given.out / f"{name}.json"
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _verdict(found: float, limit: float) -> str:
    return "met" if found <= limit else "MISSED"


if __name__ == "__main__":
    main()
