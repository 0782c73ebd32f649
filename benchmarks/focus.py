"""What it changes that the network sees only the part of the slices that holds the head.

    python benchmarks/focus.py DATASET --participant-label philips02 --volumes 0 3

Super-resolves volumes twice, with whole slices and without, and prints how much the
outputs differ in the head and in the air, in units of the scan, and the CPU time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_sr.bids.dwi_run import open_run
from bids_sr.bids.finding import find_dwi
from bids_sr.networks.registry import load_card
from bids_sr.superres.engine import super_resolve


def main() -> None:
    """Print one row per volume."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--participant-label", required=True)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--model")
    parser.add_argument("--ensemble", type=int, default=1)
    parser.add_argument("--volumes", type=int, nargs="+", default=[0, 3])
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    run = open_run(find_dwi(given.dataset, participants=[given.participant_label])[0])
    card = load_card(given.model, given.scale)
    made, cost = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for whole in (True, False):
            out, before = Path(folder, f"{whole}.nii.gz"), os.times()
            result = super_resolve(
                run, card, out, device="cpu", ensemble=given.ensemble, threads=given.threads,
                whole_slices=whole, volumes=given.volumes, progress=lambda: None,
            )  # fmt: skip
            cost[whole] = os.times().user - before.user
            made[whole] = nib.load(out).get_fdata(dtype=np.float32)
    head = _head(run, result.grid, card.factor)
    print(f"CPU seconds: whole slices {cost[True]:.1f}, head {cost[False]:.1f};", end=" ")
    print(f"the network saw {result.network_share:.0%} of the slices' area")
    print("| volume | mean in the head | rms difference there | largest | rms in the air |")
    print("|---|---|---|---|---|")
    for k, volume in enumerate(given.volumes):
        whole, off = made[True][..., k], made[True][..., k] - made[False][..., k]
        rms = [float(np.sqrt(np.mean(off[part] ** 2))) for part in (head, ~head)]
        worst = float(np.abs(off[head]).max())
        print(
            f"| {volume} | {whole[head].mean():.0f} | {rms[0]:.2f} | {worst:.1f} | {rms[1]:.2f} |"
        )


def _head(run, grid, factor: int) -> np.ndarray:
    """Return where the first volume's own head is, on the fine grid; without its margins."""
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    coarse = gaussian_filter(nib.load(run.files.dwi).dataobj[..., 0].astype(np.float32), 2)
    mask = coarse > threshold_otsu(coarse.reshape(len(coarse), -1))
    for axis in grid.in_plane:
        mask = mask.repeat(factor, axis)
    return mask


if __name__ == "__main__":
    main()
