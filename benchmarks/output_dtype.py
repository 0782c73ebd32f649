"""What storing the series as int16 saves and what it changes.

    python benchmarks/output_dtype.py DATASET --participant-label philips03 philips01 --work FOLDER
    make benchmark-dtype DATA=DATASET

Runs the app twice, with float32 and with int16, and compares series and maps in the brain
mask. Noise is the scan's own, as the record of quality has it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pages
import speed_sides

from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.images.storage import DTYPES
from bids_sr.quality.tensor_errors import v1_angles, white_matter

MAPS = {
    "FA": ("tensor", "fa", 1.0, ""),
    "MD": ("tensor", "md", 1e3, " (1e-3 mm2/s)"),
    "QA": ("gqi", "qa", 1.0, ""),
}
"""Map, its model and label, the unit it is shown in."""


def main() -> None:
    """Run both of each participant and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--participant-label", nargs="+", required=True, help="with one run each")
    parser.add_argument("--model", help="default: the shipped one")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="documentation that has room for the table")
    given = parser.parse_args()
    model = ("--model", given.model) if given.model else ()
    costs, changes = {}, {}
    for label in given.participant_label:
        stems = {}
        for dtype in DTYPES:
            work = given.work / label / dtype
            costs[label, dtype] = speed_sides.app(
                given.dataset, label, work, 1,
                (*model, "--scale", str(given.scale), "--ensemble", "1", "--output-dtype", dtype),
            )  # fmt: skip
            stems[dtype] = _stem(work)
        changes[label] = _changes(stems)
    text = "\n".join([*_costs(costs), "", *_side_by_side(changes)])
    print(text)
    if given.page:
        pages.put(given.page, {"dtype": text})


def _stem(work: Path) -> str:
    """Return the path of the series up to ``desc``."""
    (series,) = work.rglob("*_desc-sr_dwi.nii.gz")
    return str(series).removesuffix("desc-sr_dwi.nii.gz")


def _costs(costs: dict[tuple[str, str], dict]) -> list[str]:
    return [
        "| scan | stored as | series (MB) | all outputs (MB) | super_resolve, CPU (s) |"
        " whole run, CPU (s) |",
        "|---|---|---|---|---|---|",
        *(
            f"| sub-{label} | {dtype} | {cost['bytes'] / 1e6:.0f} | {cost['all_bytes'] / 1e6:.0f}"
            f" | {cost['steps']['super_resolve'][1]:.1f} | {cost['cpu_s']:.1f} |"
            for (label, dtype), cost in costs.items()
        ),
    ]


def _side_by_side(changes: dict[str, dict[str, tuple[float, float]]]) -> list[str]:
    return [
        "| in the brain: root mean square (largest) | "
        + " | ".join(f"sub-{label}" for label in changes)
        + " |",
        "|---|" + "---|" * len(changes),
        *(
            f"| {what} | "
            + " | ".join(f"{each[what][0]:.2g} ({each[what][1]:.2g})" for each in changes.values())
            + " |"
            for what in next(iter(changes.values()))
        ),
    ]


def _changes(stems: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Return root mean square and largest difference in the brain, by what differs."""
    one, other = (stems[dtype] for dtype in DTYPES)
    record = json.loads(Path(f"{one}desc-sr_quality.json").read_text(encoding="utf-8"))
    mask = load_volume(Path(f"{one}desc-brain_mask.nii.gz"))[0] > 0
    noise = record["sigma_mppca"]
    rms, worst = _signals(one, other, mask)
    found = {"signal, in units of the scan's noise": (rms / noise, worst / noise)}
    for name, (model, param, factor, unit) in MAPS.items():
        off = np.abs(factor * (_map(one, model, param) - _map(other, model, param))[mask])
        found[f"{name}{unit}"] = (float(np.sqrt(np.mean(off**2))), float(off.max()))
    white = white_matter(_map(one, "tensor", "fa"), _map(one, "tensor", "md"), mask)
    angles = v1_angles(*(_map(stem, "tensor", "v1")[white] for stem in (one, other)))
    found["V1 in white matter (deg)"] = (float(np.nanmean(angles**2) ** 0.5), np.nanmax(angles))
    return found


def _signals(one: str, other: str, mask: np.ndarray) -> tuple[float, float]:
    """Return the root mean square and the largest difference of the signals."""
    total, worst = 0.0, 0.0
    paths = [Path(f"{stem}desc-sr_dwi.nii.gz") for stem in (one, other)]
    with DwiReader(paths[0]) as first, DwiReader(paths[1]) as second:
        count = first.shape[3]
        for index in range(count):
            off = (first.volume(index) - second.volume(index))[mask].astype(np.float64)
            total += float(np.mean(off**2)) / count
            worst = max(worst, float(np.abs(off).max()))
    return total**0.5, worst


def _map(stem: str, model: str, param: str) -> np.ndarray:
    source, _, res = stem.rstrip("_").rpartition("_res-")
    path = f"{source}_model-{model}_param-{param}_res-{res}_dwimap.nii.gz"
    return np.asarray(nib.load(path).dataobj, np.float32)


if __name__ == "__main__":
    main()
