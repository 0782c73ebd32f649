"""What the app costs beside its peers, all sides in one run on one scan.

    make benchmark DATA=DATASET

which is, in an environment with ``bids_sr[benchmark]``,

    python benchmarks/speed.py DATASET --participant-label philips02 --out docs/performance

The sides: the app, end to end and step by step, also on the scan repeated to 100 volumes; the
article's pipeline, rebuilt on fastai (`authors_pipeline.py`); MRtrix3's ``mrgrid``, cubic and
sinc; cubic splines of scipy; and the bare network on tensors that are there already. Then
the tensor fit beside MRtrix3's, and the start. Sides take turns, ``--runs`` times; figures are
medians.

Prints all tables, writes speed.json into ``--out``, and the tables into ``--page``. A side
whose program is not there is left out and said to be.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pages
import speed_fit
import speed_sides
import speed_tables
from synthetic_scan import repeat_scan

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.finding import find_dwi
from bids_sr.images.runs import open_run
from bids_sr.resources import read_version

HERE = Path(__file__).resolve().parent
APPS: dict[str, tuple[str, ...]] = {"default": (), "ensemble of one": ("--ensemble", "1")}
"""Options of the app's rows."""
MANY = "default, 100 volumes"
"""Row of the app on the same scan, repeated up to so many volumes."""
_MANY_VOLUMES = 100


def main() -> int:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--participant-label", required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--patience", type=float, default=200, help="sides that take longer (s) have one turn"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--slices", type=int, default=32, help="slices of the article's pipeline")
    parser.add_argument("--apps", nargs="+", choices=APPS, default=list(APPS))
    parser.add_argument("--model", help="default: the shipped one")
    parser.add_argument("--work", type=Path, help="default: a temporary folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of speed.json")
    parser.add_argument("--page", type=Path, help="documentation that has room for the tables")
    parser.add_argument(
        "--again", nargs="+", choices=("fit", "start"), default=[],
        help="measure only these again, with what --work holds; the rest is in --out",
    )  # fmt: skip
    parser.add_argument("--tables-only", action="store_true", help="of the figures in --out")
    given = parser.parse_args()
    path = given.out / "speed.json"
    if given.tables_only or given.again:
        facts = json.loads(path.read_text("utf-8"))
    else:
        facts = _all(given)
    if "fit" in given.again:
        facts["fit"] = speed_fit.compare(given.work, given.runs)
    if "start" in given.again:
        facts["start"] = start(given, given.work)
    if not given.tables_only:
        given.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    tables = speed_tables.sections(facts)
    if given.page:
        pages.put(given.page, tables)
    print("\n\n".join(tables.values()))
    return 0


def _all(given: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        work = given.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        return measured(given, work)


def measured(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Run all sides and return what they took."""
    run = open_run(find_dwi(given.dataset, participants=[given.participant_label])[0])
    facts: dict[str, Any] = {
        "version": read_version(),
        "machine": machine(),
        "run": run.files.label,
        "shape": list(run.shape),
        "threads": given.threads,
        "runs": given.runs,
        "sides": {},
        "left_out": [],
    }
    sides = _sides(given, run, work, facts["left_out"])
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for turn in range(given.runs):
        for name, side in sides.items():
            if runs[name] and runs[name][0]["wall_s"] > given.patience:
                continue
            _say(f"turn {turn + 1} of {given.runs}: {name}")
            runs[name].append(side())
    facts["sides"] = {name: {**_medians(r), "turns": len(r)} for name, r in runs.items()}
    _say("the bare network")
    size = ["--rows", run.shape[0], "--columns", run.shape[1]]
    facts["forward"] = _network(given, "forward", *size, *_model(given))
    scan = [given.dataset, "--participant-label", given.participant_label]
    facts["pieces"] = {
        name: _network(given, "stage", *scan, *_model(given), *APPS[name]) for name in given.apps
    }
    facts["copy"] = _network(given, "copy", speed_sides.series_of(work))
    _say("the fit")
    facts["fit"] = speed_fit.compare(work, given.runs)
    _say("the start")
    facts["start"] = start(given, work)
    return facts


def _sides(
    given: argparse.Namespace,
    run: DwiRun,
    work: Path,
    left_out: list[str],
) -> dict[str, Callable[[], dict[str, Any]]]:
    label, threads, dwi = given.participant_label, given.threads, run.files.dwi
    sides: dict[str, Callable[[], dict[str, Any]]] = {}
    for name in given.apps:
        options = (*_model(given), *APPS[name])
        sides[f"bids-sr, {name}"] = lambda name=name, options=options: speed_sides.app(
            given.dataset, label, work / name.replace(" ", "-"), threads, options
        )
    repeat_scan(run, work / "many", _MANY_VOLUMES, "01")
    sides[f"bids-sr, {MANY}"] = lambda: {
        **speed_sides.app(work / "many", "01", work / "of-many", threads, _model(given)),
        "slices": run.shape[2] * _MANY_VOLUMES,
    }
    if find_spec("fastai"):
        sides["the article's pipeline"] = lambda: speed_sides.authors(
            sys.executable, dwi, work, 2, threads, given.slices
        )
    else:
        left_out.append("the article's pipeline (fastai is not installed)")
    for kernel in ("cubic", "sinc"):
        if shutil.which("mrgrid"):
            sides[f"mrgrid, {kernel}"] = lambda kernel=kernel: speed_sides.mrtrix(
                dwi, work, 2, threads, kernel
            )
        else:
            left_out.append(f"mrgrid, {kernel} (MRtrix3 is not installed)")
    sides["scipy zoom, cubic"] = lambda: speed_sides.scipy_zoom(dwi, work, 2)
    return sides


def _model(given: argparse.Namespace) -> tuple[str, ...]:
    return ("--model", given.model) if given.model else ()


def _network(given: argparse.Namespace, what: str, *more: Any) -> Any:
    """Call `speed_network.py`, in a process of its own."""
    words = [sys.executable, HERE / "speed_network.py", what, *more, "--threads", given.threads]
    cost = speed_sides.measure(words, given.threads)
    return json.loads(cost.output.strip().splitlines()[-1])


def start(given: argparse.Namespace, work: Path) -> dict[str, float]:
    """Return the seconds of ``--help``, and from the call to the first slices of the network."""
    program = Path(sys.executable).parent / "bids-sr"
    helps = [speed_sides.measure([program, "--help"]).wall_s for _ in range(5)]
    firsts = {
        f"first slices, {name}": statistics.median(
            speed_sides.first_slices(
                given.dataset,
                given.participant_label,
                work / "first",
                given.threads,
                (*_model(given), *APPS[name]),
            )
            for _ in range(given.runs)
        )
        for name in given.apps
    }
    return {"help": statistics.median(helps), **firsts}


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each figure, also within tables of steps."""
    first = runs[0]
    made: dict[str, Any] = {}
    for key, value in first.items():
        if isinstance(value, dict):
            made[key] = {
                step: [
                    statistics.median(run[key][step][i] for run in runs) for i in range(len(took))
                ]
                for step, took in value.items()
            }
        else:
            made[key] = statistics.median(run[key] for run in runs)
    return made


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.machine(),
    )  # fmt: skip
    found = {"cpu": cpu, "python": platform.python_version()}
    if shutil.which("mrgrid"):
        said = subprocess.run(["mrgrid", "--version"], capture_output=True, text=True, check=False)
        found["mrtrix3"] = said.stdout.split()[2] if said.stdout else "?"
    return found


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
