"""The tensor fit and QA beside MRtrix3's tensor, on the same voxels with as many threads."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import speed_sides

from bids_sr.app.environment import prepare_environment

THREADS = 2


def compare(work: Path, runs: int) -> dict[str, Any]:
    """Fit the series that the app has left in the work folder.

    Returns
    -------
    dict
        Medians of `speed_sides.Cost` for ``bids-sr tensor``, ``bids-sr QA`` and, where it is
        installed, ``dwi2tensor`` and ``tensor2metric``.
    """
    series = next(iter(sorted(work.glob("*/out/sub-*/**/*_desc-sr_dwi.nii.gz"))))
    mask = next(iter(series.parent.glob("*_desc-brain_mask.nii.gz")))
    gradients = [Path(str(series).replace(".nii.gz", f".{end}")) for end in ("bvec", "bval")]
    words = [series, *gradients, mask]
    commands: dict[str, list[Any]] = {
        f"bids-sr, {what}": [sys.executable, __file__, what, *words] for what in ("tensor", "QA")
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
            [sys.executable, __file__, "nothing", *words]
        ).to_dict()
    }


def _mrtrix(series: Path, gradients: list[Path], mask: Path, work: Path) -> dict[str, list[Any]]:
    more = ["-force", "-quiet", "-nthreads", THREADS]
    tensor = work / "tensor.mif"
    maps = [
        word
        for name in ("adc", "fa", "ad", "rd", "vector")
        for word in (f"-{name}", work / f"{name}.nii.gz")
    ]
    # the volumes that ours takes: up to b = 1500
    chosen = work / "chosen.mif"
    bvals = [float(b) for b in gradients[1].read_text().split()]
    volumes = ",".join(str(k) for k, b in enumerate(bvals) if b <= 1500)
    speed_sides.measure(
        ["mrconvert", series, chosen, "-fslgrad", *gradients, "-coord", 3, volumes, "-force"]
    )
    return {
        "MRtrix3, dwi2tensor": ["dwi2tensor", chosen, tensor, "-mask", mask, *more],
        "MRtrix3, tensor2metric": ["tensor2metric", tensor, *maps, "-mask", mask, *more],
    }


def main() -> None:
    """Fit once, and print how long it took without the start."""
    what, series, bvec, bval, mask_path = sys.argv[1:]
    prepare_environment(THREADS)
    from bids_sr.bids.gradients import read_gradients
    from bids_sr.diffusion import gqi, tensor
    from bids_sr.diffusion.run_masks import load_mask

    gradients = read_gradients(Path(bval), Path(bvec), len(Path(bval).read_text().split()))
    mask, started = load_mask(Path(mask_path)), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:

        def name(param: str) -> Path:
            return Path(folder, f"{param}.nii.gz")

        if what == "tensor":
            tensor.fit_tensor(Path(series), gradients, mask, name, threads=THREADS)
        elif what == "QA":
            gqi.fit_gqi(Path(series), gradients, mask, name, params=("qa",), threads=THREADS)
    print(json.dumps({"seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main()
