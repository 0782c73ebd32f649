"""One fit of a series, in a process of its own: the side of `speed_fit.py` that is ours.

    python benchmarks/fit_once.py tensor|QA|nothing SERIES BVEC BVAL MASK

It imports nothing of numpy before the environment is prepared, as the app does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from bids_sr.app.environment import prepare_environment

THREADS = 2


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
