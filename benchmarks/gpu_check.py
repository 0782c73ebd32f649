"""What the program does on a GPU: agreement with the CPU, short memory, company, speed.

    python benchmarks/gpu_check.py --out gpu.json                # on a machine with a GPU; minutes
    python benchmarks/gpu_check.py --report gpu.json --page docs/performance.md

Each part runs in a process of its own, so that one that breaks the GPU or hangs does not take the
others along, and the results are stored after each. The status is 1 if a part fails, and 0 without
a GPU. `gpu_check.sh` calls this where nothing is installed but torch. The scan is made up.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from queue import Empty
from traceback import format_exc
from typing import Any

import gpu_parts
import gpu_tables
import pages

from bids_sr.bids.atomic import write_text

SECONDS = 440.0
"""Time limit of all parts together; those that have not begun by then are left out."""
PARTS: dict[str, Callable[[gpu_parts.Machine, Path, gpu_parts.Sizes], dict[str, Any]]] = {
    "machine": gpu_parts.machine,
    "agreement": gpu_parts.agreement,
    "short memory": gpu_parts.short_memory,
    "two processes": gpu_parts.two_processes,
    "speed": gpu_parts.speed,
    "training": gpu_parts.training,
}


def main(argv: list[str] | None = None) -> int:
    """Check the GPU, or put the tables into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--device", default="cuda:0", help="which GPU")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time limit")
    parser.add_argument("--report", type=Path, metavar="JSON", help="results of an earlier check")
    parser.add_argument("--page", type=Path, help="page with room for the tables; else printed")
    given = parser.parse_args(argv)
    if given.report:
        tables = gpu_tables.tables(json.loads(given.report.read_text(encoding="utf-8")))
        if given.page:
            pages.put(given.page, tables)
        else:
            print("\n\n".join(tables.values()))
        return 0
    # this process touches no GPU, so that it outlives whatever happens there
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        if refused := pool.submit(gpu_parts.refusal, given.device).result():
            print(f"No GPU to check: {refused}")
            return 0
    found = check(gpu_parts.CudaMachine(given.device), given.out, given.seconds)
    return 0 if all(part["ok"] for part in found.values()) else 1


def check(
    machine: gpu_parts.Machine,
    out: Path | None,
    seconds: float,
    sizes: gpu_parts.Sizes = gpu_parts.FULL,
    run: Callable[..., dict[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Run all parts, and store what they found after each.

    Parameters
    ----------
    machine : gpu_parts.Machine
        The GPU.
    out : pathlib.Path, optional
        JSON file to write.
    seconds : float
        Time limit.
    sizes : gpu_parts.Sizes
        How large the scans are.
    run : callable, optional
        Runs a part, as `apart`, the default.

    Returns
    -------
    dict
        By part: ``ok``, ``seconds``, and what it found, or the ``error``.
    """
    found: dict[str, dict[str, Any]] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name in PARTS:
            left = seconds - (time.monotonic() - began)
            started = time.monotonic()
            part = (run or apart)(name, machine, Path(folder), sizes, left)
            found[name] = {**part, "seconds": round(time.monotonic() - started, 1)}
            verdict = "ok" if part["ok"] else f"FAILED: {part.get('error', 'see the figures')}"
            print(f"{name}: {verdict} ({found[name]['seconds']} s)", flush=True)
            if out:
                write_text(out, json.dumps(found, indent=1) + "\n")
    return found


def apart(
    name: str, machine: gpu_parts.Machine, folder: Path, sizes: gpu_parts.Sizes, seconds: float
) -> dict[str, Any]:
    """Run a part in a process of its own, which is killed when its time is over."""
    if seconds <= 0:
        return {"ok": False, "error": "not run: no time was left"}
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    process = context.Process(target=_answer, args=(answers, name, machine, folder, sizes))
    process.start()
    try:
        return _wait(process, answers, seconds)
    finally:
        process.kill()
        process.join()


def _wait(process: Any, answers: Any, seconds: float) -> dict[str, Any]:
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        try:
            found: dict[str, Any] = answers.get(timeout=1)
            return found
        except Empty:
            if not process.is_alive() and answers.empty():
                return {"ok": False, "error": f"its process ended with {process.exitcode}"}
    return {"ok": False, "error": "it took too long"}


def _answer(answers: Any, *given: Any) -> None:
    answers.put(here(*given, 0.0))


def here(
    name: str, machine: gpu_parts.Machine, folder: Path, sizes: gpu_parts.Sizes, seconds: float
) -> dict[str, Any]:
    """Run a part in this process."""
    try:
        return PARTS[name](machine, folder, sizes)
    except Exception as error:
        print(format_exc(), file=sys.stderr, flush=True)
        return {"ok": False, "error": f"{type(error).__name__}: {' '.join(str(error).split())}"}


if __name__ == "__main__":
    sys.exit(main())
