"""The sides of `speed.py`: each a command of its own, timed from outside."""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import psutil
from attrs import asdict, field, frozen

HERE = Path(__file__).resolve().parent
_LOOK_S = 0.05
"""Between two looks at a command's memory."""


@frozen
class Cost:
    """What a command took."""

    wall_s: float
    cpu_s: float
    """Of all its processes."""
    peak_gb: float
    """Most memory of all its processes together (resident, 1e9 bytes)."""
    output: str = field(default="", repr=False, eq=False)

    def to_dict(self) -> dict[str, float]:
        """Return the figures."""
        return {key: value for key, value in asdict(self).items() if key != "output"}


def measure(command: Sequence[Any], threads: int = 1) -> Cost:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence
        Program and arguments.
    threads : int
        What libraries with OpenMP may take.

    Returns
    -------
    Cost

    Raises
    ------
    RuntimeError
        If the command fails; with the end of what it said.
    """
    words = [str(word) for word in command]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    before, started = os.times(), time.monotonic()
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        peak: list[int] = [0]
        watch = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
        watch.start()
        output = process.communicate()[0]
    wall, after = time.monotonic() - started, os.times()
    watch.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{output[-2000:]}")
    spent = after.children_user - before.children_user
    spent += after.children_system - before.children_system
    return Cost(wall, spent, peak[0] / 1e9, output)


def _watch(pid: int, peak: list[int]) -> None:
    try:
        process = psutil.Process(pid)
        while True:
            total = 0
            for one in (process, *process.children(recursive=True)):
                try:
                    total += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak[0] = max(peak[0], total)
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return
            time.sleep(_LOOK_S)
    except psutil.NoSuchProcess:
        return


def median(costs: Sequence[Cost]) -> Cost:
    """Return the medians of several runs of one command."""
    return Cost(
        *(statistics.median(getattr(cost, name) for cost in costs)
          for name in ("wall_s", "cpu_s", "peak_gb"))
    )  # fmt: skip


def app(dataset: Path, label: str, work: Path, threads: int, options: Sequence[str]) -> dict:
    """Run the app on a participant.

    Returns
    -------
    dict
        The cost, what each step took (seconds, CPU seconds, peak in GB), and the size of the
        outputs.
    """
    work = work / "bids_sr-speed"
    shutil.rmtree(work, ignore_errors=True)
    cost = measure(
        [
            Path(sys.executable).parent / "bids-sr", dataset, work / "out", "participant",
            "--participant-label", label, "--nprocs", threads, "--omp-nthreads", threads,
            "--device", "cpu", "--resource-monitor", "--skip-bids-validation",
            "-w", work / "work", *options,
        ],
        threads,
    )  # fmt: skip
    (table,) = (work / "out").rglob("resources.tsv")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    keys = ("seconds", "cpu_seconds", "peak_gb")
    steps = {row["step"]: [float(row[key]) for key in keys] for row in rows}
    (series,) = (work / "out").rglob("*_desc-sr_dwi.nii.gz")
    files = [path for path in (work / "out").rglob("*") if path.is_file()]
    return {
        **cost.to_dict(),
        "steps": steps,
        "bytes": series.stat().st_size,
        "all_bytes": sum(path.stat().st_size for path in files),
    }


def series_of(work: Path) -> Path:
    """Return the series that the first of the app's sides has left in the work folder."""
    return min(work.glob("*/bids_sr-speed/out/sub-*/**/*_desc-sr_dwi.nii.gz"))


def authors(python: str, dwi: Path, work: Path, scale: int, threads: int, slices: int) -> dict:
    """Run the article's pipeline, rebuilt on fastai, on some slices."""
    out = work / "authors.nii.gz"
    cost = measure(
        [python, HERE / "authors_pipeline.py", dwi, out, "--scale", scale, "--slices", slices,
         "--threads", threads],
        threads,
    )  # fmt: skip
    facts = json.loads(cost.output.strip().splitlines()[-1])
    # what Python and fastai take to start is not of its slices
    return {
        "wall_s": facts["seconds"],
        "cpu_s": facts["cpu_seconds"],
        "peak_gb": cost.peak_gb,
        "bytes": facts["bytes"],
        "slices": facts["slices"],
    }


def mrtrix(dwi: Path, work: Path, scale: int, threads: int, kernel: str) -> dict:
    """Interpolate by ``mrgrid``."""
    out = work / "mrgrid.nii.gz"
    scales = ",".join(str(s) for s in (scale, scale, 1))
    command = ["mrgrid", dwi, "regrid", "-scale", scales, "-interp", kernel, out]
    cost = measure([*command, "-force", "-quiet", "-nthreads", threads], threads)
    return {**cost.to_dict(), "bytes": out.stat().st_size}


def scipy_zoom(dwi: Path, work: Path, scale: int) -> dict:
    """Interpolate by cubic splines, a volume at a time."""
    out = work / "zoom.nii.gz"
    cost = measure([sys.executable, __file__, "zoom", dwi, out, scale])
    return {**cost.to_dict(), "bytes": out.stat().st_size}


def _zoom(dwi: Path, out: Path, scale: int) -> None:
    from scipy.ndimage import zoom

    image = nib.load(dwi)
    volumes = [
        zoom(np.asarray(image.dataobj[..., k], np.float32), (scale, scale, 1), order=3)
        for k in range(image.shape[3])
    ]
    affine = image.affine @ np.diag([1 / scale, 1 / scale, 1, 1])
    nib.save(nib.Nifti1Image(np.stack(volumes, axis=-1), affine), out)


def first_slices(
    dataset: Path, label: str, work: Path, threads: int, options: Sequence[str]
) -> float:
    """Return the seconds from the call of the app to the first slices out of its network."""
    work = work / "bids_sr-speed"
    shutil.rmtree(work, ignore_errors=True)
    command = [
        sys.executable, HERE / "first_slices.py", dataset, work / "out", "participant",
        "--participant-label", label, "--nprocs", threads, "--device", "cpu",
        "--skip-bids-validation", "-w", work / "work", *options,
    ]  # fmt: skip
    started = time.monotonic()
    cost = measure(command, threads)
    return float(cost.output.split("first slices at ")[1].split()[0]) - started


if __name__ == "__main__":
    _, source, target, factor = sys.argv[1:]
    _zoom(Path(source), Path(target), int(factor))
