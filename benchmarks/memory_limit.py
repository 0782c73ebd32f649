"""Peak memory of a scan of HCP-7T size, 173 x 207 x 173 x 143, beside what it may be.

    python benchmarks/memory_limit.py --scale 2 --work FOLDER
    python benchmarks/memory_limit.py --scale 3 --work FOLDER --out docs/performance

Makes the scan and a network of next to no weights, runs the whole app with one process, and
prints what each step held at its peak. The limit is 1.5 GB and four volumes of the output
(float32), whatever the number of volumes. Takes hours on one core and, at x3, 60 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from pathlib import Path

import pages
import speed_sides
from synthetic_scan import make_network, make_scan

SHAPE = (173, 207, 173)
VOLUMES = {0: 15, 1000: 64, 2000: 64}


def main() -> None:
    """Run the app and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, choices=(2, 3), default=2)
    parser.add_argument("--matrix", type=int, nargs=3, default=SHAPE, metavar="VOXELS")
    parser.add_argument(
        "--volumes", nargs="+", default=[f"{b}:{n}" for b, n in VOLUMES.items()], metavar="B:COUNT"
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder for memory_x<scale>.json")
    parser.add_argument("--page", type=Path, help="documentation that has room for the table")
    given = parser.parse_args()
    work = given.work / f"bids_sr-memory-x{given.scale}"
    shutil.rmtree(work, ignore_errors=True)
    x, y, z = given.matrix
    volumes = dict(map(int, pair.split(":")) for pair in given.volumes)
    make_scan(work / "raw", (x, y, z), volumes, ("01",))
    network = make_network(work / "stub", given.scale)
    cost = speed_sides.app(
        work / "raw", "01", work / "app", 1,
        ("--model", str(network), "--scale", str(given.scale), "--ensemble", "1"),
    )  # fmt: skip
    volume = math.prod(given.matrix) * given.scale**2 * 4 / 1e9
    limit = 1.5 + 4 * volume
    verdict = "met" if cost["peak_gb"] <= limit else "MISSED"
    lines = [
        f"{x} x {y} x {z} x {sum(volumes.values())}, {given.scale} x {given.scale} in plane:"
        f" one volume of the output {volume:.3f} GB, limit {limit:.2f} GB.",
        "",
        "| step | peak (GB) | CPU (s) |",
        "|---|---|---|",
        *(f"| {step} | {peak:.2f} | {cpu:.0f} |" for step, (_, cpu, peak) in cost["steps"].items()),
        "",
        f"Whole program {cost['peak_gb']:.2f} GB ({verdict}),"
        f" series {cost['bytes'] / 1e9:.1f} GB, {cost['wall_s'] / 60:.0f} min.",
    ]  # fmt: skip
    print("\n".join(lines))
    if given.page:
        pages.put(given.page, {f"memory-x{given.scale}": "\n".join(lines)})
    if given.out:
        facts = {"limit_gb": limit, "volume_gb": volume, "cost": cost}
        given.out.mkdir(parents=True, exist_ok=True)
        path = given.out / f"memory_x{given.scale}.json"
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
