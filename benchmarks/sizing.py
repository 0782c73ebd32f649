"""What runs cost, measured; and what ``--dry-run`` says of sizes and memory.

    python benchmarks/sizing.py measure DATASET --case uih01_acq-AP:2:4 --out facts

super-resolves real scans with one core, each in a process of its own, and keeps what every step
took (seconds of CPU time, which other programs on the machine hardly change), how large the
files came out and how much memory the process had. From those files,

    python benchmarks/sizing.py compare facts
    python benchmarks/sizing.py table

print the measured figures beside the estimated ones, and the sizing table of docs/hpc.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bids_sr.app.environment import prepare_environment


def main() -> int:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    measure = commands.add_parser("measure", help="process real scans and keep what they cost")
    measure.add_argument("bids_dir", type=Path)
    measure.add_argument("--case", nargs="+", required=True, help="RUN:FACTOR:MEMBERS")
    measure.add_argument("--model", help="default: the shipped one of the factor")
    measure.add_argument("--out", type=Path, required=True, help="folder for one JSON a case")
    measure.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    measure.set_defaults(command=_measure)
    compare = commands.add_parser("compare", help="measured beside estimated")
    compare.add_argument("facts", nargs="+", type=Path, help="folders that measure wrote")
    compare.set_defaults(command=_compare)
    table = commands.add_parser("table", help="the estimates for usual matrices")
    table.set_defaults(command=_table)
    options = parser.parse_args()
    options.command(options)
    return 0


def _measure(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    for case in options.case:
        if options.alone:
            facts = _one(options.bids_dir, options.model, *case.split(":"))
            path = options.out / f"{case.replace(':', '_')}.json"
            path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
            continue
        # a process each: its peak memory is its own
        words = ["measure", options.bids_dir, "--case", case, "--out", options.out, "--alone"]
        words += ["--model", options.model] if options.model else []
        subprocess.run([sys.executable, __file__, *map(str, words)], check=True)


def _one(bids_dir: Path, model: str | None, run: str, factor: str, members: str) -> dict[str, Any]:
    prepare_environment(1)
    from bids_sr.bids.finding import find_dwi
    from bids_sr.images.runs import open_run
    from bids_sr.networks.registry import load_card
    from bids_sr.workflow.execute import Execution, execute
    from bids_sr.workflow.plan import RunOptions, make_plan

    subject = run.split("_")[0]
    label = f"sub-{run}"
    files = next(f for f in find_dwi(bids_dir, participants=[subject]) if f.label == label)
    options = RunOptions(card=load_card(model, int(factor)), ensemble=int(members))
    with tempfile.TemporaryDirectory(prefix="sizing-") as folder:
        plan = make_plan(files, Path(folder, "out"), options)
        pages = _timed_pages(Path(folder, "out"), plan)
        failures = execute([plan], Execution(Path(folder, "work"), Path(folder, "logs")), pages)
        if failures:
            raise SystemExit(f"{label} failed: {failures[0].message}")
        gradients = open_run(files).gradients
        return {
            "run": label,
            "shape": open_run(files).shape,
            "b0s": int(gradients.is_b0.sum()),
            "model": model,
            "factor": int(factor),
            "members": int(members),
            "steps": pages.steps,
            "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
            "brain": _brain(plan.names.mask),
            "output": _sizes(Path(folder, "out")),
            "work": sum(_sizes(Path(folder, "work")).values()),
        }


def _timed_pages(out_dir: Path, plan: Any) -> Any:
    from bids_sr.workflow.participant_pages import PageWriter

    class TimedPages(PageWriter):
        """Takes the time between the start and the end of each step."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.steps: dict[str, dict[str, float]] = {}

        def on_step_here(self, node: Any, status: str) -> None:
            """Take note of a step, all of which run in this process."""
            super().on_step_here(node, status)
            if status == "start":
                self._began = time.process_time(), time.monotonic()
                return
            cpu, wall = self._began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            self.steps[node.name] = {
                "cpu_s": time.process_time() - cpu,
                "wall_s": time.monotonic() - wall,
                "peak_gb": peak * 1024 / 1e9,
            }

    return TimedPages(out_dir, [plan])


def _compare(options: argparse.Namespace) -> None:
    """Print what was measured beside what the model of ``--dry-run`` says."""
    from sizing_rows import compared

    paths = sorted(path for folder in options.facts for path in folder.glob("*.json"))
    print("\n".join(compared([json.loads(path.read_text("utf-8")) for path in paths])))


def _table(_options: argparse.Namespace) -> None:
    """Print what the model of ``--dry-run`` says of usual matrices."""
    from sizing_rows import extrapolated

    print("\n".join(extrapolated()))


def _brain(mask: Path) -> float:
    import nibabel as nib
    import numpy as np

    return float(np.asanyarray(nib.load(mask).dataobj).astype(bool).mean())


def _sizes(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


if __name__ == "__main__":
    sys.exit(main())
