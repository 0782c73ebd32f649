"""Run a command and print the peak memory and wall time of its whole process tree.

    python benchmarks/peak_memory.py bids-sr /data /out participant

Resident memory, sampled every tenth of a second: the largest single process, and
the sum over all processes (pages they share count several times, so the sum is
an upper bound).
"""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

_GIB = 2**30
_INTERVAL_S = 0.1


def main() -> int:
    """Run the command given on the command line and return its exit code."""
    started = time.monotonic()
    process = subprocess.Popen(sys.argv[1:])
    largest = total = 0
    while process.poll() is None:
        sizes = _resident(process.pid)
        largest, total = max([largest, *sizes]), max(total, sum(sizes))
        time.sleep(_INTERVAL_S)
    print(
        f"largest process {largest / _GIB:.2f} GiB, all processes {total / _GIB:.2f} GiB,"
        f" {time.monotonic() - started:.0f} s, exit code {process.returncode}"
    )
    return process.returncode


def _resident(pid: int) -> list[int]:
    try:
        parent = psutil.Process(pid)
        tree = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    sizes = []
    for member in tree:
        try:
            sizes.append(member.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return sizes


if __name__ == "__main__":
    sys.exit(main())
