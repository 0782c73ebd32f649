"""How long thousands of participants take to be found, and how much memory that needs.

    python benchmarks/discovery.py --participants 2000 --work /scratch/discovery

makes a dataset of participants whose images have next to no voxels (`synthetic_tree.py`), calls
the program on it in fresh processes and prints a Markdown table:

- one participant: until the first step of its run begins (then it is stopped);
- the whole dataset: ``--dry-run`` without a database, making one, and using it;
- the whole dataset again when all is finished (made-up outputs of a byte each);
- the group level, if ``--record`` gives a ``*_quality.json`` to copy for every run.

Memory: the most that the program's own process held (VmHWM); that of the validator, a process of
its own, beside it. Seconds of CPU time are told as well: other programs hardly change them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from synthetic_tree import make_tree

_STARTED = 'Executing "read"'
"""What nipype writes into the log file when the first step begins."""
_INTERVAL_S = 0.02
_PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "run.py")]
_ONE_WAY = {"dwi": {"direction": "AP"}}


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=2000)
    parser.add_argument("--work", type=Path, required=True, help="folder for dataset and outputs")
    parser.add_argument("--record", type=Path, help="a *_quality.json, for the group level")
    options = parser.parse_args()
    work = options.work / "bids_sr-discovery"
    tree = work / f"tree-{options.participants}"
    if not tree.exists():
        make_tree(tree, options.participants)
    runs = len(list(tree.glob("sub-*/**/dwi/*_dwi.nii.gz")))
    files = sum(len(names) for _, _, names in os.walk(tree))  # warms the page cache, too
    print(f"{options.participants} participants, {runs} diffusion runs, {files} files\n")
    print("| call | wall (s) | CPU (s) | memory (MB) | processes beside it (MB) |")
    print("|---|---|---|---|---|", flush=True)
    label = ["participant", "--participant-label", f"{options.participants // 2:05d}"]
    database = ["--bids-database-dir", str(work / "database")]
    whole = ["participant", "--dry-run"]
    for folder in ("database", "out"):
        shutil.rmtree(work / folder, ignore_errors=True)
    _row("one participant, to the first step", tree, work, [*label, "--nprocs", "1"], _began)
    _row("the same without the validator", tree, work, [*label, *_FAST], _began)
    _row("whole dataset, --dry-run", tree, work, whole)
    _row("the same, making a database", tree, work, [*whole, *database])
    _row("the same, using it", tree, work, [*whole, *database])
    _row("one participant, using it", tree, work, [*label, *_FAST, *database], _began)
    one_way = work / "filter.json"
    one_way.write_text(json.dumps(_ONE_WAY))
    finished = _pretend(tree, work / "out", options.record)
    again = ["participant", *_FAST, *database, "--bids-filter-file", str(one_way)]
    _row(f"all {finished} runs finished before", tree, work, again)
    if options.record:
        _row(f"group level, {finished} runs", tree, work, ["group"])


_FAST = ["--nprocs", "1", "--skip-bids-validation"]


def _began(out: Path) -> bool:
    return any(_STARTED in path.read_text() for path in out.glob("logs/*/log.txt"))


def _row(
    name: str,
    tree: Path,
    work: Path,
    words: list[str],
    until: Callable[[Path], bool] = lambda _: False,
) -> None:
    """Call the program, to its end or until something is seen; print what it took."""
    out = work / "out"
    for folder in out.glob("logs/*"):
        shutil.rmtree(folder) if folder.is_dir() else None
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as told,  # a pipe would fill up
        subprocess.Popen(
            [*_PROGRAM, str(tree), str(out), *words], stdout=subprocess.DEVNULL, stderr=told
        ) as process,
    ):
        watched, beside, cpu, own = psutil.Process(process.pid), 0, 0.0, 0
        seen = False
        while process.poll() is None:
            try:
                times = watched.cpu_times()
                cpu, own = times.user + times.system, max(own, _peak(process.pid))
                beside = max(beside, sum(_resident(p) for p in watched.children(recursive=True)))
            except psutil.NoSuchProcess:
                break
            if until(out):
                seen = True
                process.terminate()
                break
            time.sleep(_INTERVAL_S)
        wall = time.monotonic() - started
        process.wait()
        if not seen and process.returncode != 0:
            told.seek(0)
            raise SystemExit(f"{name}: exit status {process.returncode}\n{told.read()}")
    print(f"| {name} | {wall:.1f} | {cpu:.1f} | {own / 1e6:.0f} | {beside / 1e6:.0f} |", flush=True)


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM 0 kB")
    return int(line.split()[1]) * 1024


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _pretend(tree: Path, out: Path, record: Path | None) -> int:
    """Write what finished runs would have left: sidecars, records and lists, all else a byte."""
    from bids_sr.bids.finding import find_dwi
    from bids_sr.bids.sidecars import FINGERPRINT
    from bids_sr.networks.registry import load_card
    from bids_sr.workflow.completeness import is_complete
    from bids_sr.workflow.outputs import expected_outputs, write_run_manifest
    from bids_sr.workflow.plan import RunOptions, make_plan

    metrics = json.loads(record.read_text()) if record else {}
    options = RunOptions(card=load_card(None, 2))
    found = find_dwi(tree, filters=_ONE_WAY)
    for files in found:
        plan = make_plan(files, out, options)
        plan.names.folder.mkdir(parents=True, exist_ok=True)
        plan.names.figures_dir.mkdir(parents=True, exist_ok=True)
        for path in expected_outputs(plan):
            path.write_text("x")
        plan.names.dwi_json.write_text(json.dumps({FINGERPRINT: plan.fingerprint}))
        own = {**metrics, "run": plan.label, "selfcheck_mode": "auto"}
        own |= {"subject": files.subject} if metrics else {}
        plan.names.quality.write_text(json.dumps(own))
        write_run_manifest(plan)
        if not is_complete(plan):
            raise SystemExit(f"{plan.label}: what it left does not pass for a finished run")
        (out / f"sub-{files.subject}.html").touch()
    return len(found)


if __name__ == "__main__":
    main()
