"""The rows that `sizing.py` prints: facts beside estimates, and estimates for usual matrices.

The estimates are those of ``bids-sr --dry-run``: for matrices of which there is no scan, a
dataset is made whose images have a header and no voxels.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bids_sr.bids.finding import find_dwi
from bids_sr.networks.registry import load_card
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE
from bids_sr.workflow.estimate import PAGE, VIEWER
from bids_sr.workflow.forecast import Forecast, forecast
from bids_sr.workflow.plan import RunOptions, make_plan

_SEED = 0

SCHEMES: dict[str, tuple[tuple[int, int, int], dict[int, int]]] = {
    "single shell, 2.5 mm": ((96, 96, 60), {0: 1, 1000: 32}),
    "single shell, 2 mm": ((112, 112, 72), {0: 1, 1000: 64}),
    "two shells, 1.7 mm": ((140, 140, 81), {0: 10, 1000: 30, 2000: 60}),
    "HCP 3T": ((145, 174, 145), {0: 18, 1000: 90, 2000: 90, 3000: 90}),
    "HCP 7T": ((173, 207, 173), {0: 15, 1000: 64, 2000: 64}),
}
"""Matrix, and volumes by b-value."""


def compared(facts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table: what was measured beside what is estimated."""
    yield (
        "| run | matrix | factor | ensemble | core min | series (MB) | estimated"
        " | maps (MB) | estimated | peak (GB) | allowed for |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for fact in facts:
        x, y, z, volumes = fact["shape"]
        bvals = _like(fact)
        made = forecast_of((x, y, z), bvals, fact["factor"], fact["members"], fact["model"])
        assert made.task is not None
        assert made.task.shape[3] == volumes
        seconds = sum(step["cpu_s"] for step in fact["steps"].values())
        series, maps = _measured(fact["output"])
        yield (
            f"| {fact['run']} | {'x'.join(map(str, fact['shape']))} | {fact['factor']}"
            f" | {fact['members']} | {seconds / 60:.1f}"
            f" | {series / 1e6:.0f} | {made.output['series'] / 1e6:.0f}"
            f" | {maps / 1e6:.0f} | {made.output['maps'] / 1e6:.0f}"
            f" | {fact['peak_gb']:.2f} | {made.memory_gb:.2f} |"
        )


def extrapolated() -> Iterator[str]:
    """Yield the lines of a table: what is estimated for usual matrices."""
    yield "| scan | matrix | factor | memory (GB) | output (GB) | work folder (GB) |"
    yield "|---|---|---|---|---|---|"
    for name, (matrix, volumes) in SCHEMES.items():
        bvals = [b for b, count in volumes.items() for _ in range(count)]
        for factor in (2, 3):
            made = forecast_of(matrix, bvals, factor, DEFAULT_ENSEMBLE)
            output = sum(made.output.values()) + PAGE + VIEWER
            yield (
                f"| {name} | {'x'.join(map(str, (*matrix, len(bvals))))} | {factor}"
                f" | {made.memory_gb:.1f}"
                f" | {output / 1e9:.2f} | {sum(made.work) / 1e9:.2f} |"
            )


def forecast_of(
    matrix: tuple[int, int, int],
    bvals: Sequence[int],
    factor: int,
    members: int,
    model: str | None = None,
) -> Forecast:
    """Return what ``--dry-run`` would say of a scan with this matrix and these b-values."""
    card = load_card(model, factor)
    with tempfile.TemporaryDirectory(prefix="sizing-") as name:
        _write_empty(Path(name, "raw"), matrix, bvals)
        (files,) = find_dwi(Path(name, "raw"))
        plan = make_plan(files, Path(name, "out"), RunOptions(card=card, ensemble=members))
        return forecast(plan)


def _write_empty(root: Path, matrix: tuple[int, int, int], bvals: Sequence[int]) -> None:
    """Write a dataset of one run that has a header and gradients, and no voxels."""
    folder = root / "sub-01" / "dwi"
    folder.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "empty", "BIDSVersion": "1.10.0"}')
    header = nib.Nifti1Header()
    header.set_data_shape((*matrix, len(bvals)))
    header.set_data_dtype(np.int16)
    header["vox_offset"] = 352
    with (folder / "sub-01_dwi.nii").open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        # no voxels are written: a hole of the size that they would have
        file.truncate(352 + 2 * math.prod(matrix) * len(bvals))
    vectors = np.random.default_rng(_SEED).normal(size=(len(bvals), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[np.asarray(bvals) == 0] = 0
    np.savetxt(folder / "sub-01_dwi.bval", np.asarray(bvals)[None], fmt="%d")
    np.savetxt(folder / "sub-01_dwi.bvec", vectors.T, fmt="%.6f")


def _like(fact: Mapping[str, Any]) -> list[int]:
    """Return b-values of one shell with which as many models are fitted as in the scan."""
    volumes, b0s = fact["shape"][3], fact["b0s"]
    fitted = any("param-fa" in name for name in fact["output"])
    assert fitted, "the scans here all have a tensor"
    return [0] * b0s + [1000] * (volumes - b0s)


def _measured(files: Mapping[str, int]) -> tuple[int, int]:
    images = {name: size for name, size in files.items() if name.endswith(".nii.gz")}
    series = sum(size for name, size in images.items() if name.endswith("_desc-sr_dwi.nii.gz"))
    return series, sum(images.values()) - series
