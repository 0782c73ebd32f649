"""The tensor fit and QA beside MRtrix3's tensor, on the same voxels with as many threads.

Both read the same ``.nii.gz`` and write ``.nii.gz``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import speed_sides
from fit_once import THREADS

_HIGHEST = 1500
"""s/mm2, up to which our tensor takes volumes."""
FIT_ONCE = Path(__file__).with_name("fit_once.py")


def compare(work: Path, runs: int) -> dict[str, Any]:
    """Fit the series that the app has left in the work folder.

    Returns
    -------
    dict
        Medians of `speed_sides.Cost` for ``bids-sr tensor``, ``bids-sr QA`` and, where it is
        installed, ``dwi2tensor`` and ``tensor2metric``.
    """
    series = speed_sides.series_of(work)
    mask = next(iter(series.parent.glob("*_desc-brain_mask.nii.gz")))
    gradients = [Path(str(series).replace(".nii.gz", f".{end}")) for end in ("bvec", "bval")]
    words = [series, *gradients, mask]
    commands: dict[str, list[Any]] = {
        f"bids-sr, {what}": [sys.executable, FIT_ONCE, what, *words] for what in ("tensor", "QA")
    }
    if shutil.which("dwi2tensor"):
        commands |= _mrtrix(series, gradients, mask, work)
    costs: dict[str, list[speed_sides.Cost]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            cost = speed_sides.measure(command, THREADS)
            costs[name].append(cost)
    return {name: speed_sides.median(made).to_dict() for name, made in costs.items()} | {
        "start of Python and libraries": speed_sides.measure(
            [sys.executable, FIT_ONCE, "nothing", *words]
        ).to_dict()
    }


def _mrtrix(series: Path, gradients: list[Path], mask: Path, work: Path) -> dict[str, list[Any]]:
    more = ["-force", "-quiet", "-nthreads", THREADS]
    tensor = work / "tensor.nii.gz"
    maps = [
        word
        for name in ("adc", "fa", "ad", "rd", "vector")
        for word in (f"-{name}", work / f"{name}.nii.gz")
    ]
    bvals = [float(b) for b in gradients[1].read_text().split()]
    if max(bvals) > _HIGHEST:
        raise ValueError("MRtrix3 would fit volumes that our tensor leaves out")
    same = ["-fslgrad", *gradients, "-mask", mask]
    return {
        "MRtrix3, dwi2tensor": ["dwi2tensor", series, tensor, *same, *more],
        "MRtrix3, tensor2metric": ["tensor2metric", tensor, *maps, "-mask", mask, *more],
    }
